"""CaffeSGD against the reference's trajectory, torch's SGD and itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import OPTIMIZERS

from mmasg.optim.caffe_sgd import CaffeSGD

FIXTURE = Path(__file__).parents[1] / "data" / "sgd.npz"


def make_problem(fixture, optimizer_class=CaffeSGD, **settings):
    params = [torch.nn.Parameter(torch.from_numpy(row.copy())) for row in fixture["w0"]]
    groups = [dict(params=[param]) for param in params]
    settings = dict(lr=0.1, momentum=0.9, weight_decay=5e-4) | settings
    return params, optimizer_class(groups, **settings)


def run(fixture, params, optimizer, rates):
    """The loss of the fixture, one optimizer step per row of ``rates``."""
    target = torch.from_numpy(fixture["target"])
    track = []
    for row in rates:
        for group, rate in zip(optimizer.param_groups, row, strict=True):
            group["lr"] = float(rate)
        optimizer.zero_grad()
        a, b = params
        loss = ((a - target[0]) ** 2).sum() + 0.01 * ((b - target[1]) ** 4).sum()
        loss.backward()
        optimizer.step()
        track.append(np.stack([param.detach().numpy().copy() for param in params]))
    return np.stack(track)


@pytest.fixture
def fixture():
    return np.load(FIXTURE)


@pytest.mark.parametrize("foreach", [None, False, True])
def test_plain_trajectory_is_the_references(fixture, foreach):
    params, optimizer = make_problem(fixture, foreach=foreach)
    track = run(fixture, params, optimizer, fixture["lrs"])
    # float32 sums of the same few terms in another order: a few ulp of numbers near 1
    assert np.abs(track - fixture["plain"]).max() / np.abs(fixture["plain"]).max() <= 1e-6


@pytest.mark.parametrize(
    "settings", [{}, dict(nesterov=True), dict(momentum=0.0), dict(maximize=True)]
)
@pytest.mark.parametrize("foreach", [False, True])
def test_equals_torch_sgd_at_a_constant_rate(fixture, settings, foreach):
    rates = np.full((8, 2), 0.01)
    ours = run(fixture, *make_problem(fixture, foreach=foreach, **settings), rates)
    theirs = run(fixture, *make_problem(fixture, torch.optim.SGD, **settings), rates)
    # lr * sum(g) against sum(lr * g) in float32; ascent reaches numbers near 10
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


def test_dampening_spares_the_first_step(fixture):
    rates = np.full((8, 2), 0.01)
    ours = run(fixture, *make_problem(fixture, dampening=0.5), rates)
    theirs = run(fixture, *make_problem(fixture, torch.optim.SGD, dampening=0.5), rates)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("foreach", [False, True])
def test_a_changed_rate_does_not_rescale_the_past(foreach):
    param = torch.nn.Parameter(torch.zeros(1))
    optimizer = CaffeSGD([param], lr=1.0, momentum=0.5, foreach=foreach)
    seen = []
    for rate in (1.0, 0.1, 0.0):
        optimizer.param_groups[0]["lr"] = rate
        param.grad = torch.ones(1)
        optimizer.step()
        seen.append(param.item())
    # v: 1, 0.5 + 0.1, 0.3 + 0: the group at rate 0 goes on by its old velocity
    assert seen == pytest.approx([-1.0, -1.6, -1.9], abs=1e-6)


@pytest.mark.parametrize("foreach", [False, True])
def test_freeze_at_zero_stands_still_and_fades(foreach):
    param = torch.nn.Parameter(torch.zeros(1))
    optimizer = CaffeSGD([param], lr=1.0, momentum=0.5, foreach=foreach, freeze_at_zero=True)
    seen = []
    for rate in (1.0, 0.0, 0.0, 1.0):
        optimizer.param_groups[0]["lr"] = rate
        param.grad = torch.ones(1)
        optimizer.step()
        seen.append(param.item())
    # v: 1, 0.5, 0.25, 0.125 + 1; the middle two are not applied
    assert seen == pytest.approx([-1.0, -1.0, -1.0, -2.125], abs=1e-6)


def test_foreach_equals_one_by_one_with_a_late_parameter():
    """A parameter that gets its first gradient later takes its own first step then."""
    tracks = []
    for foreach in (False, True):
        generator = torch.Generator().manual_seed(0)
        params = [torch.nn.Parameter(torch.randn(3, generator=generator)) for _ in range(3)]
        optimizer = CaffeSGD(
            params, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01, foreach=foreach
        )
        for step in range(4):
            for i, param in enumerate(params):
                late = i == 2 and step < 2
                param.grad = None if late else torch.randn(3, generator=generator)
            optimizer.step()
        tracks.append(torch.stack([param.detach() for param in params]))
    torch.testing.assert_close(tracks[0], tracks[1], rtol=0, atol=1e-7)


def test_resumed_state_continues_exactly(fixture):
    whole = run(fixture, *make_problem(fixture), fixture["lrs"])
    params, optimizer = make_problem(fixture)
    run(fixture, params, optimizer, fixture["lrs"][:3])
    saved = optimizer.state_dict()
    params2, optimizer2 = make_problem(fixture)
    for new, old in zip(params2, params, strict=True):
        new.data.copy_(old.data)
    optimizer2.load_state_dict(saved)
    rest = run(fixture, params2, optimizer2, fixture["lrs"][3:])
    np.testing.assert_array_equal(rest, whole[3:])


def test_refuses_the_state_of_torch_sgd(fixture):
    params, optimizer = make_problem(fixture, torch.optim.SGD)
    run(fixture, params, optimizer, fixture["lrs"][:1])
    with pytest.raises(ValueError, match="a state of torch's SGD.*load_from without resume"):
        make_problem(fixture)[1].load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(lr=-1.0), r"CaffeSGD\.lr: got -.*at least 0"),
        (dict(momentum=1.5), r"CaffeSGD\.momentum: got 1\.5; allowed: a number in \[0, 1\]"),
        (
            dict(weight_decay=-0.1),
            r"CaffeSGD\.weight_decay: got -0\.1; allowed: a number of at least 0",
        ),
        (dict(nesterov=True), "with nesterov a momentum above 0"),
        (dict(nesterov=True, momentum=0.9, dampening=0.1), "0.1}; allowed: .* and dampening=0"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        CaffeSGD([torch.nn.Parameter(torch.zeros(1))], **settings)


def test_sparse_gradient_is_an_error():
    layer = torch.nn.Embedding(4, 2, sparse=True)
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        CaffeSGD(layer.parameters(), lr=0.1).step()


def test_closure_value_is_returned_and_registry_knows_it():
    param = torch.nn.Parameter(torch.ones(1))
    optimizer = OPTIMIZERS.build(dict(type="CaffeSGD", params=[param], lr=0.1))

    def closure():
        loss = (param**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert param.item() == pytest.approx(0.8)
