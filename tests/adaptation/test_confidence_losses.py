import math

import pytest
import torch
from mmengine.registry import MODELS
from torch.distributions import Categorical, kl_divergence

import mmasg  # noqa: F401
from mmasg.adaptation import EntropyLoss, MRKLDLoss


def test_mrkld_is_the_divergence_from_uniform_on_labelled_pixels():
    logits = torch.randn(2, 5, 3, 4, dtype=torch.float64).float()
    label = torch.randint(0, 5, (2, 3, 4))
    label[0, :, :2] = 255
    each = kl_divergence(
        Categorical(torch.full((2, 3, 4, 5), 0.2)), Categorical(logits=logits.permute(0, 2, 3, 1))
    )
    expected = each[label != 255].mean() + math.log(5)
    loss = MODELS.build(dict(type="MRKLDLoss", loss_weight=1.0))
    torch.testing.assert_close(loss(logits, label), expected, rtol=1e-5, atol=1e-6)
    assert loss.loss_name == "loss_mrkld"
    assert MRKLDLoss()(logits, label) == pytest.approx(0.1 * expected.item(), rel=1e-5)
    assert float(loss(logits, torch.full_like(label, 255))) == 0.0
    assert float(loss(logits, label, ignore_index=4)) != pytest.approx(expected.item())


def test_mrkld_pulls_a_sure_prediction_back():
    logits = torch.tensor([[[[8.0]], [[0.0]]]], requires_grad=True)
    MRKLDLoss()(logits, torch.zeros(1, 1, 1, dtype=torch.long)).backward()
    assert logits.grad[0, 0] > 0 > logits.grad[0, 1]


def test_entropy_lies_between_0_and_1():
    loss = EntropyLoss(loss_weight=1.0)
    assert float(loss(torch.zeros(1, 7, 2, 2))) == pytest.approx(1.0)
    sure = torch.zeros(1, 7, 2, 2)
    sure[:, 3] = 50
    assert float(loss(sure)) == pytest.approx(0.0, abs=1e-6)
    logits = torch.randn(2, 3, 4, 4)
    expected = Categorical(logits=logits.permute(0, 2, 3, 1)).entropy().mean() / math.log(3)
    torch.testing.assert_close(loss(logits), expected)
