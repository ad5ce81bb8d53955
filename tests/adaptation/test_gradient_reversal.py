import math

import pytest
import torch
from torch import nn

from mmasg.adaptation.domain_adversarial_hook import DomainAdversarialHook, _domain_loss
from mmasg.adaptation.gradient_reversal import (
    DomainDiscriminator,
    reversal_strength,
    reverse_gradient,
)


def test_the_gradient_is_reversed_and_the_value_is_not():
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    result = reverse_gradient(values, 0.25)
    assert torch.equal(result, values)
    (3 * result).sum().backward()
    assert values.grad.tolist() == [-0.75, -0.75]


def test_strength_by_hand():
    assert reversal_strength(0.0) == 0.0
    assert reversal_strength(0.1) == pytest.approx((math.e - 1) / (math.e + 1))
    assert reversal_strength(1.0) == pytest.approx(1, abs=1e-4)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, images):
        return (self.conv(images),)


class Segmentor(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.decode_head = Backbone(), nn.Identity()


def test_one_backward_pass_teaches_both_as_two_by_hand():
    """The backbone gets the reversed gradient, the discriminator its own, of the same loss."""
    from mmasg.consistency.taps import FeatureTap

    model = Segmentor()
    hook = DomainAdversarialHook(target={}, loss_weight=0.5, channels=8)
    hook._tap = FeatureTap(model.backbone, -1, "feature")
    hook._progress = 0.1
    images, frames = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 5, 5) + 1
    hook.frames = lambda model: frames
    hook.before_source()
    model.backbone(images)
    losses = hook.target_losses(model, {})
    losses["loss_domain"].backward()

    judge = hook.discriminator
    ours = [p.grad.clone() for p in (*model.parameters(), *judge.parameters())]
    for parameter in (*model.parameters(), *judge.parameters()):
        parameter.grad = None
    loss, _ = _domain_loss(judge, [model.backbone(images)[0], model.backbone(frames)[0]])
    loss.backward()
    strength = 0.5 * reversal_strength(0.1)
    theirs = [-strength * p.grad for p in model.parameters()] + [p.grad for p in judge.parameters()]
    for own, by_hand in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, by_hand, rtol=1e-5, atol=1e-7)
    assert float(losses["loss_domain"]) == pytest.approx(0.5 * float(loss), rel=1e-5)
    assert not hook._tap.enabled and not hook._tap.features


def test_the_discriminator_is_the_same_for_a_seed_and_leaves_the_generator():
    hooks = [DomainAdversarialHook(target={}) for _ in range(2)]
    before = torch.get_rng_state()
    for hook in hooks:
        hook._build(6)
    assert torch.equal(before, torch.get_rng_state())
    first, second = (h.discriminator.state_dict() for h in hooks)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_to_tell_domains_apart():
    judge = DomainDiscriminator(2, 8)
    domains = [torch.ones(4, 2, 3, 3), -torch.ones(4, 2, 3, 3)]
    optimizer = torch.optim.Adam(judge.parameters(), lr=0.05)
    for _ in range(20):
        loss, right = _domain_loss(judge, domains)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert right == 1.0 and loss < 0.1
