import pytest
import torch
from l2o_toy import ToyNet

from mmasg.l2o.gradient_sketch import GradientSketch
from mmasg.l2o.task_kl_agreement import TaskKLAgreement


def build(warn=pytest.fail, frozen=False):
    torch.manual_seed(0)
    model = ToyNet()
    model.first.requires_grad_(not frozen)
    groups = [list(layer.parameters()) for layer in (model.first, model.second, model.last)]
    agreement = TaskKLAgreement(model, GradientSketch(groups), "kl_imagenet", warn)
    return model, agreement


def forward(model):
    generator = torch.Generator().manual_seed(1)
    return model(torch.randn(8, 4, generator=generator), torch.arange(8) % 3, mode="loss")


def test_cosines_of_the_two_gradients():
    model, agreement = build()
    forward(model)
    assert agreement.found is None  # nobody asked
    agreement.wanted = True
    losses = forward(model)
    assert not agreement.wanted and all(p.grad is None for p in model.parameters())
    expected = []
    for layer in (model.first, model.second, model.last):
        pair = [
            torch.autograd.grad(loss, layer.weight, retain_graph=True)[0].flatten()
            for loss in (losses["loss_ce"] + losses["loss_extra"], losses["loss_imagenet"])
        ]
        expected.append(float(torch.cosine_similarity(*pair, dim=0)))
    assert agreement.found.tolist() == pytest.approx(expected, abs=1e-6)
    sum(v for k, v in losses.items() if "loss" in k).backward()  # the graph is whole
    assert model.first.weight.grad is not None
    agreement.close()
    agreement.wanted = True
    forward(model)
    assert agreement.wanted


def test_a_frozen_layer_agrees_with_nothing():
    model, agreement = build(frozen=True)
    agreement.wanted = True
    forward(model)
    assert agreement.found[0] == 0 and agreement.found[1] != 0


def test_a_model_that_cannot_be_asked_is_asked_once():
    warnings = []
    model, agreement = build(warnings.append)
    inner = model.second.forward
    model.second.forward = lambda x: torch.utils.checkpoint.checkpoint(inner, x, use_reentrant=True)
    for _ in range(2):
        agreement.wanted = True
        forward(model)
    assert agreement.found is None and len(warnings) == 1
    assert "the policy decides without" in warnings[0]
