import pytest
import torch

from mmasg.optim import StepRates


def one():
    a = torch.ones(3, requires_grad=True)
    return a, torch.optim.SGD([a], lr=1.0)


def times(factor):
    def change(optimizer):
        for group in optimizer.param_groups:
            group["lr"] *= factor

    return change


def plus(value):
    def change(optimizer):
        for group in optimizer.param_groups:
            group["lr"] += value

    return change


def step(a, optimizer):
    optimizer.zero_grad()
    a.sum().backward()
    before = a.detach().clone()
    optimizer.step()
    return float((before - a.detach())[0])


def test_changes_act_in_their_order_for_the_step_alone():
    a, optimizer = one()
    rates = StepRates.of(optimizer)
    assert StepRates.of(optimizer) is rates
    add, multiply = plus(1.0), times(0.5)
    rates.add(optimizer, add, order=1)  # added first, acts second
    rates.add(optimizer, multiply, order=0)
    assert step(a, optimizer) == 1.5
    assert optimizer.param_groups[0]["lr"] == 1.0
    rates.remove(add)
    assert step(a, optimizer) == 0.5
    rates.remove(multiply)
    assert step(a, optimizer) == 1.0


def test_a_step_that_raises_leaves_no_changed_rate():
    a, optimizer = one()
    rates = StepRates.of(optimizer)
    rates.add(optimizer, times(0.5))

    def refuse(*_):
        raise RuntimeError("no")

    handle = optimizer.register_step_pre_hook(refuse)
    with pytest.raises(RuntimeError, match="no"):
        step(a, optimizer)
    handle.remove()
    assert step(a, optimizer) == 0.5
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_groups_that_come_later_are_refused():
    a, optimizer = one()
    StepRates.of(optimizer).add(optimizer, times(0.5))
    optimizer.add_param_group(dict(params=[torch.ones(2, requires_grad=True)]))
    with pytest.raises(RuntimeError, match="had 1 parameter groups when the training began"):
        step(a, optimizer)
