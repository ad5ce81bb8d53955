import pytest
import torch

from mmasg.l2o import GroupRates


def two_groups(kind=torch.optim.SGD, **kwargs):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(5, generator=generator, requires_grad=True) for _ in range(2))
    optimizer = kind(
        [
            dict(params=[a], group_name="a", group_index=0, lr_mult=1.0),
            dict(params=[b], group_name="b", group_index=1, lr_mult=1.0),
        ],
        **{"lr": 0.1, **kwargs},
    )
    return optimizer, a, b


def backward(*parameters):
    sum((p**2).sum() + p.sum() for p in parameters).backward()


def test_rate_is_multiplied_within_the_step_only():
    optimizer, a, b = two_groups()
    rates = GroupRates(optimizer)
    rates.attach()
    rates.set([0.5, 0.2])
    before_a, before_b = a.detach().clone(), b.detach().clone()
    backward(a, b)
    seen = []
    optimizer.register_step_pre_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
    optimizer.step()
    assert seen == [[0.05, 0.1 * 0.2]]
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.1]
    assert rates.effective() == [0.05, 0.1 * 0.2]
    torch.testing.assert_close(a.detach(), before_a - 0.05 * a.grad)
    torch.testing.assert_close(b.detach(), before_b - 0.02 * b.grad)
    rates.detach()
    before_a = a.detach().clone()
    optimizer.step()
    torch.testing.assert_close(a.detach(), before_a - 0.1 * a.grad)


@pytest.mark.parametrize(
    "kind, kwargs",
    [
        (torch.optim.SGD, dict(momentum=0.9, weight_decay=0.1)),
        (torch.optim.SGD, dict(momentum=0.9, nesterov=True, weight_decay=0.1)),
        (torch.optim.Adam, dict(weight_decay=0.1, amsgrad=True)),
        (torch.optim.AdamW, dict(weight_decay=0.1)),
        (torch.optim.RMSprop, dict(momentum=0.9, weight_decay=0.1)),
        (torch.optim.Adagrad, dict(weight_decay=0.1)),
        (torch.optim.Adadelta, dict(weight_decay=0.1)),
        (torch.optim.Adamax, dict(weight_decay=0.1)),
        (torch.optim.NAdam, dict(weight_decay=0.1)),
        (torch.optim.RAdam, dict(weight_decay=0.1)),
    ],
)
def test_zero_keeps_the_weights_bit_for_bit(kind, kwargs):
    optimizer, a, b = two_groups(kind, **kwargs)
    rates = GroupRates(optimizer)
    rates.attach()
    for multipliers, frozen in (([1, 1], None), ([1, 0], b), ([1, 1], None)):
        rates.set(multipliers)
        before = b.detach().clone()
        for _ in range(7):  # RAdam changes its form at the sixth step
            optimizer.zero_grad()
            backward(a, b)
            optimizer.step()
        assert torch.equal(b, before) == (frozen is b)


@pytest.mark.parametrize("freeze", [False, True])
def test_rate_inside_the_momentum_runs_on_unless_frozen(freeze):
    from mmasg.optim.caffe_sgd import CaffeSGD

    optimizer, a, b = two_groups(CaffeSGD, momentum=0.9, freeze_at_zero=freeze)
    rates = GroupRates(optimizer)
    rates.attach()
    backward(a, b)
    start = b.detach().clone()
    optimizer.step()
    velocity = start - b.detach()
    rates.set([1.0, 0.0])
    before = b.detach().clone()
    optimizer.step()
    expected = before if freeze else before - 0.9 * velocity
    torch.testing.assert_close(b.detach(), expected, rtol=0, atol=0 if freeze else 1e-6)


def test_gradient_scaler_takes_or_skips_the_step():
    optimizer, a, b = two_groups()
    rates = GroupRates(optimizer)
    rates.attach()
    rates.set([0.5, 0.0])
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    before_a, before_b = a.detach().clone(), b.detach().clone()
    scaler.scale((a**2).sum() + (b**2).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    torch.testing.assert_close(a.detach(), before_a - 0.05 * 2 * before_a)
    assert torch.equal(b, before_b)
    before_a = a.detach().clone()
    optimizer.zero_grad()
    scaler.scale((a * float("inf")).sum()).backward()
    scaler.step(optimizer)  # overflow: no step
    assert torch.equal(a, before_a)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.1]


def test_a_step_that_raises_leaves_the_schedule_intact():
    optimizer, a, b = two_groups()
    rates = GroupRates(optimizer)
    rates.attach()
    rates.set([0.5, 0.5])
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    backward(a, b)
    optimizer.step()
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.1]


def test_entries_of_one_group_share_its_multiplier():
    a, b, c = (torch.ones(2, requires_grad=True) for _ in range(3))
    optimizer = torch.optim.SGD(
        [
            dict(params=[a], group_name="x", group_index=0, weight_decay=0.0),
            dict(params=[b], group_name="y", group_index=1),
            dict(params=[c], group_name="x", group_index=0, weight_decay=0.5),
        ],
        lr=1.0,
    )
    rates = GroupRates(optimizer)
    assert rates.names == ["x", "y"]
    rates.attach()
    rates.set([0.0, 1.0])
    backward(a, b, c)
    optimizer.step()
    assert torch.equal(a, torch.ones(2)) and torch.equal(c, torch.ones(2))
    assert torch.equal(b.detach(), torch.full((2,), -2.0))


def test_errors():
    with pytest.raises(ValueError, match="LayerGroupOptimWrapperConstructor"):
        GroupRates(torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0))
    optimizer, *_ = two_groups()
    optimizer.param_groups[1]["lr_mult"] = 0.1
    with pytest.raises(ValueError, match="'b' has lr_mult=0.1.*drop `lr_mult`"):
        GroupRates(optimizer)
    optimizer, *_ = two_groups()
    optimizer.param_groups[1]["group_index"] = 2
    with pytest.raises(ValueError, match=r"must be 0..1, got \[0, 2\]"):
        GroupRates(optimizer)
    optimizer, a, b = two_groups()
    rates = GroupRates(optimizer)
    rates.attach()
    optimizer.add_param_group(dict(params=[torch.ones(1, requires_grad=True)]))
    with pytest.raises(RuntimeError, match="had 2 parameter groups .* has 3 now.*drop"):
        optimizer.step()
    with pytest.raises(ValueError, match="Expected 2 multipliers, got 1"):
        rates.set([1.0])
