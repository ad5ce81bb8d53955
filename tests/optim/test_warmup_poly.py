from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from seg_toy import resnet18, segmentor, toy_config, train

from mmasg.optim.warmup_poly import WarmupPolyLR, warmup_poly_factor

FIXTURE = np.load(Path(__file__).parents[1] / "data/schedule.npz")


def wrapper(*rates):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in rates]
    return OptimWrapper(torch.optim.SGD(groups, lr=1.0))


def rates_of(scheduler, optim_wrapper, steps):
    rates = []
    for _ in range(steps):
        rates.append([g["lr"] for g in optim_wrapper.optimizer.param_groups])
        optim_wrapper.optimizer.step()
        scheduler.step()
    return np.array(rates)


def test_equals_the_fixture():
    total, base = int(FIXTURE["max_iters"]), float(FIXTURE["base_lr"])
    iters = FIXTURE["iters"].astype(int)
    ours = [base * warmup_poly_factor(int(i), total, power=float(FIXTURE["power"])) for i in iters]
    np.testing.assert_allclose(ours, FIXTURE["lr"], rtol=1e-7, atol=0)
    optim = wrapper(base)
    scheduler = WarmupPolyLR(optim, max_iters=total, power=float(FIXTURE["power"]))
    rates = rates_of(scheduler, optim, 5001)[:, 0]
    reached = iters <= 5000
    np.testing.assert_allclose(rates[iters[reached]], FIXTURE["lr"][reached], rtol=1e-7, atol=0)
    # The far end of the run, as a resumed run comes to it.
    for iteration, rate in zip(iters[~reached], FIXTURE["lr"][~reached], strict=True):
        state = scheduler.state_dict()
        state.update(last_step=int(iteration) - 1, _global_step=int(iteration))
        scheduler.load_state_dict(state)
        scheduler.step()
        assert optim.optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-7)


def test_shape_of_the_schedule():
    assert warmup_poly_factor(0, 1000) == pytest.approx(0.01)
    assert warmup_poly_factor(50, 1000) == pytest.approx((0.01 + 0.99 / 4) * 0.95**0.9)
    assert warmup_poly_factor(100, 1000) == pytest.approx(0.9**0.9)
    # From four fifths of the run on it stands still.
    assert warmup_poly_factor(800, 1000) == warmup_poly_factor(999, 1000) == pytest.approx(0.2**0.9)


def test_every_group_keeps_its_share_and_offset_shifts():
    optim = wrapper(1.0, 0.1)
    rates = rates_of(WarmupPolyLR(optim, max_iters=40, warmup_iters=10), optim, 30)
    factors = [warmup_poly_factor(i, 40, 10) for i in range(30)]
    np.testing.assert_allclose(rates, np.outer(factors, [1.0, 0.1]), rtol=1e-12)
    optim = wrapper(1.0)
    shifted = rates_of(WarmupPolyLR(optim, max_iters=40, warmup_iters=10, offset=1), optim, 29)
    np.testing.assert_allclose(shifted[:, 0], factors[1:], rtol=1e-12)


def test_a_rate_changed_elsewhere_does_not_compound():
    optim = wrapper(1.0)
    scheduler = WarmupPolyLR(optim, max_iters=40, warmup_iters=10)
    for _ in range(7):
        optim.optimizer.param_groups[0]["lr"] *= 0.5
        optim.optimizer.step()
        scheduler.step()
    assert optim.optimizer.param_groups[0]["lr"] == pytest.approx(warmup_poly_factor(7, 40, 10))


class Stop(Hook):
    """Ends a training as a kill would, after the checkpoint."""

    priority = "LOWEST"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 2:
            raise KeyboardInterrupt


def config(folder, **extra):
    return toy_config(
        folder,
        segmentor(resnet18()),
        max_iters=6,
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=3)),
        **extra,
    )


def test_runner_trains_at_it_and_resumes(tmp_path):
    # The length of the run is the runner's to know.
    schedule = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=4)]
    _, whole = train(config(tmp_path / "whole", param_scheduler=schedule))
    expected = [0.01 * warmup_poly_factor(i, 6, 4) for i in range(6)]
    np.testing.assert_allclose([r[0] for r in whole.rates], expected, rtol=1e-7)
    with pytest.raises(KeyboardInterrupt):
        train(config(tmp_path / "parts", param_scheduler=schedule, hooks=[dict(type=Stop)]))
    _, resumed = train(config(tmp_path / "parts", param_scheduler=schedule, resume=True))
    np.testing.assert_allclose([r[0] for r in resumed.rates], expected[3:], rtol=1e-7)


def test_another_length_than_the_runs_is_an_error(tmp_path):
    message = r"max_iters: got 10; allowed: 6, the training's\. Leave max_iters out"
    schedule = [dict(type="WarmupPolyLR", by_epoch=False, max_iters=10)]
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path / "run", param_scheduler=schedule))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(max_iters=10, by_epoch=True), "by_epoch: got True; allowed: False, or left out"),
        (dict(), "max_iters: got None; allowed: a number of iterations. With by_epoch=False"),
        (dict(end=1), "max_iters: got None"),  # epochs, which the runner gives without by_epoch
        (dict(max_iters=0), "max_iters: got 0; allowed: an integer from 1 on"),
        (dict(max_iters=1e5), "max_iters: got 100000.0; allowed: an integer"),
        (dict(max_iters=10, warmup_iters=0), "warmup_iters: got 0"),
        (dict(max_iters=10, offset=-1), "offset: got -1; allowed: an integer from 0 on"),
        (dict(max_iters=10, power=0), "power: got 0; allowed: a number above 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        WarmupPolyLR(wrapper(1.0), **options)
