import pytest
import torch
from mmengine.optim import OptimWrapper
from seg_toy import resnet18, segmentor, toy_config, train

from mmasg.guard.schedules import settings
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.optim.warmup_poly import WarmupPolyLR


def config(folder, schedule, max_iters=4, lr=0.01, lr_mult=0.1, **extra):
    return toy_config(
        folder,
        segmentor(resnet18()),
        max_iters=max_iters,
        hooks=[dict(type="TrainingCheckHook")],
        optim_wrapper=dict(
            constructor="LayerGroupOptimWrapperConstructor",
            optimizer=dict(type="SGD", lr=lr, momentum=0.9),
            paramwise_cfg=dict(preset="resnet", lr_mult=lr_mult),
        ),
        param_scheduler=[schedule],
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2)),
        **extra,
    )


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            dict(type="PolyLR", eta_min=5e-3, by_epoch=False),
            r"param_scheduler\[0\] \(PolyLR\)\.eta_min: got 0\.005; allowed: at most 0\.001, .*"
            r"rate 0\.001 of group 'conv1' would rise.*eta_min=0, or .*eta_min_ratio=0\.01",
        ),
        (
            dict(type="CosineAnnealingLR", eta_min=5e-3, by_epoch=False),
            r"\(CosineAnnealingLR\)\.eta_min: got 0\.005.*share of each .*: eta_min_ratio=0\.01\.",
        ),
        (
            dict(type="ReduceOnPlateauLR", monitor="mIoU", min_value=5e-3),
            r"\(ReduceOnPlateauLR\)\.min_value: got 0\.005; allowed: at most 0\.001",
        ),
        (
            dict(type="OneCycleLR", eta_max=0.1, total_steps=4, by_epoch=False),
            r"\(OneCycleLR\)\.eta_max: got 0\.1; allowed: a list with a rate for every layer group",
        ),
        (
            dict(type="WarmupPolyLR", max_iters=40),
            r"\(WarmupPolyLR\)\.max_iters: got 40; allowed: 4, the iterations of train_cfg",
        ),
    ],
)
def test_a_schedule_that_contradicts_rates_or_run(schedule, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path, schedule))


def test_floors_below_every_rate_train(tmp_path):
    schedule = dict(type="PolyLR", eta_min=1e-3, by_epoch=False)
    _, seen = train(config(tmp_path / "even", schedule))
    assert all(a >= b for a, b in zip(seen.rates[0], seen.rates[-1], strict=True))
    ratio = dict(type="CosineAnnealingLR", eta_min_ratio=0.5, T_max=2, by_epoch=False)
    _, seen = train(config(tmp_path / "ratio", ratio))
    assert seen.rates[2] == pytest.approx([0.5 * rate for rate in seen.rates[0]])


def test_settings_are_what_does_not_move():
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    scheduler = WarmupPolyLR(OptimWrapper(torch.optim.SGD(parameters, lr=1.0)), max_iters=40)
    before = settings(scheduler)
    for _ in range(3):
        scheduler.optimizer.optimizer.step()
        scheduler.step()
    assert settings(scheduler) == before == settings(scheduler.state_dict())
    assert before["max_iters"] == 40


POLY = dict(type="PolyLR", power=0.9, by_epoch=False)
WARM = dict(type="LinearLR", start_factor=0.1, begin=0, end=3, by_epoch=False)


def test_a_longer_run_is_refused_or_rebuilt(tmp_path):
    train(config(tmp_path, POLY, max_iters=4))
    longer = config(tmp_path, POLY, max_iters=8, resume=True)
    message = (
        r"param_scheduler\[0\] \(PolyLR\)\.end: the checkpoint has 4, this config 8.*old schedule"
        r".*load_from with the checkpoint, without --resume.*--resume --rebuild-schedule"
    )
    with pytest.raises(ValueError, match=message):
        train(longer)
    _, rebuilt = train(longer | dict(rebuild_schedule=True))
    _, whole = train(config(tmp_path / "whole", POLY, max_iters=8))
    assert len(rebuilt.rates) == 4 and rebuilt.rates[0] != whole.rates[0]
    for ours, expected in zip(rebuilt.rates, whole.rates[4:], strict=True):
        assert ours == pytest.approx(expected, rel=1e-12)


def test_rebuilt_with_other_rates_and_a_chain(tmp_path):
    # A warm-up and a decay that each compute from the current rate, and another base rate.
    train(config(tmp_path, POLY))
    changed = config(tmp_path, POLY, max_iters=6, lr=0.02, resume=True)
    changed["param_scheduler"] = [WARM, POLY]
    with pytest.raises(ValueError, match=r"param_scheduler: .*\['LinearLR', 'PolyLR'\]"):
        train(changed)
    _, rebuilt = train(changed | dict(rebuild_schedule=True))
    _, whole = train(changed | dict(resume=False, work_dir=str(tmp_path / "whole")))
    for ours, expected in zip(rebuilt.rates, whole.rates[4:], strict=True):
        assert ours == pytest.approx(expected, rel=1e-12)
    # What was rebuilt is what the next resume finds.
    _, again = train(changed | dict(rebuild_schedule=False))
    assert again.rates == []


def by_epoch(folder, epochs, **extra):
    # Four iterations an epoch: eight images in batches of two.
    schedule = [
        dict(type="MultiStepLR", milestones=[1, 3], gamma=0.5),
        dict(type="ExponentialLR", gamma=0.9, by_epoch=False),
    ]
    cfg = config(folder, schedule[0], **extra) | dict(param_scheduler=schedule)
    cfg["train_cfg"] = dict(type="EpochBasedTrainLoop", max_epochs=epochs)
    cfg["train_dataloader"]["sampler"] = dict(type="DefaultSampler", shuffle=False)
    cfg["default_hooks"]["checkpoint"] = dict(type="CheckpointHook", interval=1)
    return cfg


def test_schedules_by_epoch_move_forward_between_their_iterations(tmp_path):
    train(by_epoch(tmp_path, 2))
    _, rebuilt = train(by_epoch(tmp_path, 4, resume=True, rebuild_schedule=True))
    _, whole = train(by_epoch(tmp_path / "whole", 4))
    assert len(rebuilt.rates) == 8
    for ours, expected in zip(rebuilt.rates, whole.rates[8:], strict=True):
        assert ours == pytest.approx(expected, rel=1e-12)


def test_a_schedule_that_follows_the_validation_cannot_be_rebuilt(tmp_path):
    plateau = dict(type="ReduceOnPlateauLR", monitor="mIoU")
    train(config(tmp_path, plateau))
    changed = dict(plateau, patience=3)
    with pytest.raises(ValueError, match=r"param_scheduler\[0\]: got 'ReduceOnPlateauLR'; .*alone"):
        train(config(tmp_path, changed, max_iters=6, resume=True, rebuild_schedule=True))


def test_the_hook_is_there_once(tmp_path):
    schedule = dict(type="ConstantLR", by_epoch=False, end=2)
    runner, _ = train(config(tmp_path, schedule))
    TrainingCheckHook.join(runner)
    assert sum(isinstance(hook, TrainingCheckHook) for hook in runner.hooks) == 1
