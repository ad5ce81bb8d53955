import math

import pytest
import torch
from mmengine.registry import METRICS


def build(**options):
    metric = METRICS.build(dict(type="CalibrationErrorMetric", **options))
    metric.dataset_meta = dict(classes=("a", "b", "c"))
    return metric


def by_hand(pairs, bins):
    """Guo et al., equation 3: one bin after the other."""
    error = 0.0
    for b in range(bins):
        inside = [(c, r) for c, r in pairs if b / bins < c <= (b + 1) / bins]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            accuracy = sum(r for _, r in inside) / len(inside)
            error += len(inside) / len(pairs) * abs(accuracy - confidence)
    return 100 * error


def segmentation(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(3, 6, 7, generator=generator)
    label = torch.randint(0, 3, (1, 6, 7), generator=generator)
    label[0, 0] = 255
    return dict(seg_logits=dict(data=logits), gt_sem_seg=dict(data=label))


@pytest.mark.parametrize("bins", [15, 4])
def test_segmentation_is_the_papers_equation_over_pixels(bins):
    samples = [segmentation(seed) for seed in range(3)]
    metric = build(bins=bins)
    metric.process(None, samples[:2])
    metric.process(None, samples[2:])
    found = metric.evaluate(size=3)
    pairs = []
    for sample in samples:
        logits, label = sample["seg_logits"]["data"], sample["gt_sem_seg"]["data"][0]
        for i in range(1, 6):
            for j in range(7):
                powers = [math.exp(v) for v in logits[:, i, j].tolist()]
                best = max(range(3), key=powers.__getitem__)
                pairs.append((powers[best] / sum(powers), float(best == int(label[i, j]))))
    assert found["calibration/ECE"] == pytest.approx(by_hand(pairs, bins), abs=1e-3)
    accuracy = 100 * sum(r for _, r in pairs) / len(pairs)
    assert found["calibration/accuracy"] == pytest.approx(accuracy, abs=1e-3)
    gap = 100 * sum(c for c, _ in pairs) / len(pairs) - accuracy
    assert found["calibration/gap"] == pytest.approx(gap, abs=1e-3)


def test_classification_counts_images():
    scores = [[0.92, 0.08], [0.83, 0.17], [0.29, 0.71], [0.55, 0.45], [1.0, 0.0]]
    labels = [0, 1, 1, 1, 0]
    metric = build(bins=10)
    metric.process(
        None,
        [
            dict(pred_score=torch.tensor(s), gt_label=torch.tensor([y]))
            for s, y in zip(scores, labels, strict=True)
        ],
    )
    pairs = [(0.92, 1.0), (0.83, 0.0), (0.71, 1.0), (0.55, 0.0), (1.0, 1.0)]
    assert metric.evaluate(size=5)["calibration/ECE"] == pytest.approx(by_hand(pairs, 10), abs=1e-3)


def test_no_label_at_all_is_no_number():
    sample = segmentation(0)
    sample["gt_sem_seg"]["data"][:] = 255
    metric = build()
    metric.process(None, [sample])
    assert math.isnan(metric.evaluate(size=1)["calibration/ECE"])


def test_wrong_inputs():
    with pytest.raises(ValueError, match="bins: got 0"):
        build(bins=0)
    with pytest.raises(ValueError, match="needed are gt_sem_seg and seg_logits, or gt_label"):
        build().process(None, [dict(pred_label=1, gt_label=1)])
    one = segmentation(0)
    one["seg_logits"]["data"] = one["seg_logits"]["data"][:1]
    with pytest.raises(ValueError, match="channels of seg_logits: got 1"):
        build().process(None, [one])
