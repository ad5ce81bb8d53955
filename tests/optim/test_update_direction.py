import itertools

import pytest
import torch

from mmasg.optim.update_direction import has_direction, update_direction

SGD_SETTINGS = [
    dict(),
    dict(momentum=0.9),
    dict(momentum=0.9, dampening=0.3),
    dict(momentum=0.9, nesterov=True),
    dict(momentum=0.9, weight_decay=0.1, maximize=True),
    dict(weight_decay=0.1),
]
ADAM_SETTINGS = [
    dict(),
    dict(betas=(0.5, 0.7), eps=1e-3, weight_decay=0.1),
    dict(amsgrad=True, weight_decay=0.1),
    dict(maximize=True),
]


@pytest.mark.parametrize(
    "kind, settings",
    [
        *itertools.product([torch.optim.SGD], SGD_SETTINGS),
        *itertools.product([torch.optim.Adam, torch.optim.AdamW], ADAM_SETTINGS),
    ],
)
def test_equals_the_step_that_the_optimizer_makes(kind, settings):
    # float64, so that the difference of weights is exact to 1e-12.
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    optimizer = kind([dict(params=[a, b])], lr=0.02, **settings)
    assert has_direction(optimizer)
    for step in range(5):
        optimizer.zero_grad()
        loss = ((a - step) ** 2).sum()
        if step != 2:  # a parameter without a gradient is left out
            loss = loss + (b**4).sum()
        loss.backward()
        group = optimizer.param_groups[0]
        with_grad = [p for p in (a, b) if p.grad is not None]
        before = [p.detach().clone() for p in with_grad]
        grads = [p.grad.clone() for p in with_grad]
        directions = list(update_direction(optimizer, group))
        assert all(torch.equal(g, p.grad) for g, p in zip(grads, with_grad, strict=True))
        optimizer.step()
        for old, new, u in zip(before, with_grad, directions, strict=True):
            torch.testing.assert_close((old - new.detach()) / 0.02, u, rtol=1e-9, atol=1e-9)


def test_gradients_scaled_for_a_fused_optimizer_are_scaled_back():
    a = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([a], lr=0.1)
    (a.sum() * 8).backward()
    optimizer.grad_scale = torch.tensor(8.0)
    assert torch.equal(next(update_direction(optimizer, optimizer.param_groups[0])), torch.ones(3))


def test_others_are_not_known():
    class Mine(torch.optim.SGD):
        pass

    a = torch.ones(3, requires_grad=True)
    assert not has_direction(Mine([a], lr=0.1))
    assert not has_direction(torch.optim.RMSprop([a], lr=0.1))
    no_gradient = torch.optim.SGD([a], lr=0.1)
    assert list(update_direction(no_gradient, no_gradient.param_groups[0])) == []
