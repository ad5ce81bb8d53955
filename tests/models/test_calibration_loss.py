import pytest
import torch
from mmengine.registry import MODELS

from mmasg.models import DCALoss


def test_is_the_difference_of_the_two_means():
    logits, label = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    label[0, 0] = 255
    confidences, rights = [], []
    for n in range(2):
        for i in range(4):
            for j in range(5):
                if label[n, i, j] == 255:
                    continue
                powers = logits[n, :, i, j].exp()
                confidences.append(float(powers.max() / powers.sum()))
                rights.append(float(powers.argmax() == label[n, i, j]))
    expected = abs(sum(rights) / len(rights) - sum(confidences) / len(confidences))
    loss = MODELS.build(dict(type="DCALoss", loss_weight=2.0))
    assert float(loss(logits, label)) == pytest.approx(2 * expected, rel=1e-5)
    half = torch.full(label.shape, 0.5)
    assert float(loss(logits, label, half)) == pytest.approx(2 * expected, rel=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_makes_a_network_as_sure_as_it_is_right(label):
    """Sure and wrong: less sure. Right and not sure: surer."""
    logits = torch.tensor([[1.0, 0.0]], requires_grad=True)
    DCALoss()(logits, torch.tensor([label])).backward()
    assert (logits.grad[0, 0] < 0) == (label == 0)


def test_nothing_labelled_is_zero():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    value = DCALoss()(logits, torch.full((1, 2, 2), 255))
    value.backward()
    assert float(value.detach()) == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_wrong_inputs():
    with pytest.raises(ValueError, match="DCALoss.loss_weight: got 0"):
        DCALoss(loss_weight=0)
    with pytest.raises(ValueError, match="channels of the logits: got 1; allowed: 2 or more"):
        DCALoss()(torch.randn(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
