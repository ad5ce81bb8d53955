"""How well confidences say how often predictions are right: the expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from torch import Tensor

from mmasg.errors import wrong

_KEY = "CalibrationErrorMetric"


@METRICS.register_module()
class CalibrationErrorMetric(BaseMetric):
    r"""Expected calibration error (ECE), of segmentation over pixels, else over images.

    .. math:: \sum_{b=1}^{B} \frac{n_b}{n} \, |\mathrm{acc}_b - \mathrm{conf}_b|

    Predictions are sorted by their confidence, the largest softmax probability, into B bins of
    equal width, ((b-1)/B, b/B]; :math:`\mathrm{acc}_b` is the share of right ones in a bin,
    :math:`\mathrm{conf}_b` their mean confidence. Source: Guo et al., *On Calibration of Modern
    Neural Networks*, ICML 2017, equation 3. All in percent, the gap signed: ``calibration/ECE``,
    ``calibration/confidence``, ``calibration/accuracy`` and ``calibration/gap``, confidence less
    accuracy (above 0: overconfident).

    Beside another metric: ``test_evaluator = [dict(type='ClassIoUMetric', iou_metrics=['mIoU']),
    dict(type='CalibrationErrorMetric')]``.

    Args:
        bins: B. Defaults to 15.
        ignore_index: Label that does not count. Defaults to 255.
        collect_device: 'cpu' or 'gpu', where the ranks' results are collected.
            Defaults to 'cpu'.
        prefix: Prefix of the names of the results. Defaults to None, which is 'calibration'.
        **kwargs: As for mmengine's ``BaseMetric``.

    Raises:
        ValueError: ``bins`` is no whole number above 0; a sample has no label, or no probabilities.
    """

    default_prefix = "calibration"

    def __init__(
        self,
        bins: int = 15,
        ignore_index: int = 255,
        collect_device: str = "cpu",
        prefix: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, **kwargs)
        if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
            raise ValueError(wrong(f"{_KEY}.bins", bins, "1, 2, 3, ..."))
        self.bins = bins
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Add up the bins of every image.

        Args:
            data_batch: Not used.
            data_samples: The model's predictions as dicts.
        """
        for sample in data_samples:
            confidence, right = self._read(sample)
            self.results.append(bin_counts(confidence, right, self.bins))

    def compute_metrics(self, results: list[np.ndarray]) -> dict[str, float]:
        """Compute the results of a whole data set.

        Args:
            results: :func:`bin_counts` of every image.

        Returns:
            ``ECE``, ``confidence``, ``accuracy`` and ``gap``, in percent; NaN without a label.
        """
        counts, confidences, rights = np.sum(results, axis=0)
        total = counts.sum()
        if total == 0:
            return dict.fromkeys(("ECE", "confidence", "accuracy", "gap"), float("nan"))
        error = np.abs(rights - confidences).sum() / total
        confidence, accuracy = confidences.sum() / total, rights.sum() / total
        shares = dict(
            ECE=error, confidence=confidence, accuracy=accuracy, gap=confidence - accuracy
        )
        return {name: round(100 * float(value), 4) for name, value in shares.items()}

    def _read(self, sample: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Return confidences and whether they were right, (n,), of what has a label."""
        if "gt_sem_seg" in sample and "seg_logits" in sample:
            logits = sample["seg_logits"]["data"].float()
            label = sample["gt_sem_seg"]["data"].to(logits.device).reshape(logits.shape[1:])
            if len(logits) < 2:
                allowed = "2 or more"
                raise ValueError(wrong(f"{_KEY}: channels of seg_logits", len(logits), allowed))
            confidence, predicted = logits.softmax(0).max(0)
            there = label != self.ignore_index
            return confidence[there], (predicted == label)[there]
        if "gt_label" in sample and "pred_score" in sample:
            score = torch.as_tensor(sample["pred_score"]).float().flatten()
            confidence, predicted = score.max(0, keepdim=True)
            return confidence, predicted == int(sample["gt_label"])
        raise ValueError(
            f"{_KEY}: {sample.get('img_path', 'a sample')} has {sorted(sample)}; needed are "
            "gt_sem_seg and seg_logits, or gt_label and pred_score. Test-time augmentation keeps "
            "no seg_logits: test without --tta"
        )


def bin_counts(confidence: Tensor, right: Tensor, bins: int) -> np.ndarray:
    """Sort predictions into bins of confidence.

    Args:
        confidence: (n,), from 0 to 1.
        right: (n,), bool.
        bins: B.

    Returns:
        (3, B), float64: number of predictions, sum of their confidences, number of right ones.
    """
    values = confidence.detach().double().cpu()
    index = ((values * bins).ceil().long() - 1).clamp(0, bins - 1)
    weights = (torch.ones_like(values), values, right.cpu().double())
    return np.stack([torch.bincount(index, w, bins).numpy() for w in weights])
