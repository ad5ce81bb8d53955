import pytest
import torch

from mmasg.adaptation import ConfidenceHistogram, choose_labels, soft_labels


def probabilities(count=5000, classes=4, seed=0, sharpness=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(classes, count, generator=generator)
    logits[0] += 2  # one class more often than the others
    return torch.softmax(logits, dim=0)


def brute_force(p, portion):
    """Sort the confidences of every class and take the last that is kept."""
    confidence, predicted = p.max(0)
    found = []
    for k in range(len(p)):
        mine = confidence[predicted == k].sort(descending=True).values
        count = -int(-len(mine) * portion // 1)
        found.append(float(mine[count - 1]))
    return found


@pytest.mark.parametrize("portion", [0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("sharpness", [1.0, 10.0])
def test_thresholds_are_the_sorted_confidences(portion, sharpness):
    p = probabilities(sharpness=sharpness).double()
    histogram = ConfidenceHistogram(4)
    for part in p.split(700, dim=1):  # frame by frame
        histogram.add(part)
    ours = histogram.thresholds(portion)
    theirs = torch.tensor(brute_force(p, portion), dtype=torch.float64)
    # One bin of 4,096 over 40 units of log odds.
    odds = torch.logit(theirs, eps=1e-12).clamp(max=20) - torch.logit(ours, eps=1e-12)
    assert (odds >= -1e-9).all() and (odds <= 40 / 4096 + 1e-9).all()


def test_kept_portion_by_hand():
    # Class 0 with confidences 0.9, 0.8, 0.7, 0.6; class 1 with 0.95, 0.55.
    top = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.05, 0.45])
    p = torch.stack([top, 1 - top])
    histogram = ConfidenceHistogram(2)
    histogram.add(p)
    assert histogram.predicted().tolist() == [4, 2]
    thresholds = histogram.thresholds(0.5)
    assert thresholds.tolist() == pytest.approx([0.8, 0.95], rel=5e-3)
    # The fourth pixel: 0.6 / 0.8 < 1 and 0.4 / 0.95 < 1. The last: 0.45 / 0.8, 0.55 / 0.95.
    assert choose_labels(p, torch.tensor([0.79, 0.94])).tolist() == [0, 0, 255, 255, 1, 255]
    # A low threshold of a rare class wins over a more probable one: 0.45 / 0.3 > 0.55 / 0.6.
    chosen = choose_labels(torch.tensor([[0.55], [0.45]]), torch.tensor([0.6, 0.3]))
    assert chosen.tolist() == [1]


def test_a_class_that_nothing_is_predicted_as_is_kept_out():
    p = torch.tensor([[0.9, 0.8], [0.1, 0.2], [0.0, 0.0]])
    histogram = ConfidenceHistogram(3)
    histogram.add(p)
    thresholds = histogram.thresholds(1.0)
    assert thresholds[1:].tolist() == [float("inf")] * 2
    assert choose_labels(p, thresholds).tolist() == [0, 0]
    assert soft_labels(p, thresholds).argmax(0).tolist() == [0, 0]


def test_soft_labels_by_hand_and_in_the_limit():
    p = torch.tensor([[0.6], [0.3], [0.1]], dtype=torch.float64)
    thresholds = torch.tensor([0.5, 0.2, 0.9], dtype=torch.float64)
    ratios = torch.tensor([1.2, 1.5, 1 / 9], dtype=torch.float64)
    expected = ratios**2 / (ratios**2).sum()  # alpha = 1/2
    torch.testing.assert_close(soft_labels(p, thresholds, 0.5)[:, 0], expected)
    hard = soft_labels(p, thresholds, 0.002)[:, 0]
    assert hard.tolist() == pytest.approx([0, 1, 0], abs=1e-9)
    assert choose_labels(p, thresholds).tolist() == [1]
    assert soft_labels(p, torch.tensor([0.7, 0.4, 0.9]))[:, 0].tolist() == [0, 0, 0]


def test_errors():
    histogram = ConfidenceHistogram(3)
    with pytest.raises(ValueError, match="got 2 classes; the histogram has 3"):
        histogram.add(torch.tensor([[0.5], [0.5]]))
    for portion in (0, 1.5):
        with pytest.raises(ValueError, match="portion: got"):
            histogram.thresholds(portion)
    with pytest.raises(ValueError, match="alpha: got 0"):
        soft_labels(torch.ones(2, 1) / 2, torch.ones(2), alpha=0)
