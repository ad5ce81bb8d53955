"""Which predictions become pseudo labels: class-balanced self-training, on plain tensors.

CBST: Zou, Yu, Kumar, Wang, *Unsupervised Domain Adaptation for Semantic Segmentation via
Class-Balanced Self-Training*, ECCV 2018. LRENT: Zou, Yu, Liu, Kumar, Wang, *Confidence Regularized
Self-Training*, ICCV 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmasg.datasets.class_maps import IGNORE


class ConfidenceHistogram:
    """How confident the predictions of each class are, over any number of frames.

    Confidences are counted in bins of equal width in the log odds, so that a quantile is as exact
    near 1, where those of a trained network lie, as elsewhere: with 4,096 bins a threshold is off
    by less than 1% of its odds. The memory is ``num_classes * bins`` integers, whatever is added.

    Args:
        num_classes: Number of classes K.
        bins: Bins of a class. Defaults to 4096.
    """

    #: Log odds of the outermost bins: confidences of 2e-9 and of 1 - 2e-9.
    _LIMIT = 20.0

    def __init__(self, num_classes: int, bins: int = 4096) -> None:
        self.counts = torch.zeros(num_classes, bins, dtype=torch.int64)

    def add(self, probabilities: Tensor) -> None:
        """Count the predictions of one or more frames.

        Args:
            probabilities: (K, ...), summing to 1 over the first dimension.

        Raises:
            ValueError: Another number of classes.
        """
        num_classes = len(self.counts)
        if len(probabilities) != num_classes:
            raise ValueError(
                f"probabilities: got {len(probabilities)} classes; the histogram has {num_classes}."
            )
        confidence, predicted = probabilities.detach().double().max(dim=0)
        self.count(torch.logit(confidence, eps=1e-12), predicted)

    def count(self, odds: Tensor, predicted: Tensor) -> None:
        """Count predictions by the log odds of their confidence.

        Args:
            odds: (...) log odds, of any floating type.
            predicted: (...) the classes.
        """
        num_classes, bins = self.counts.shape
        odds = odds.double().clamp(-self._LIMIT, self._LIMIT)
        place = ((odds + self._LIMIT) / (2 * self._LIMIT) * bins).long().clamp(max=bins - 1)
        flat = (predicted.long() * bins + place).flatten()
        counted = torch.bincount(flat, minlength=num_classes * bins)
        self.counts += counted.view(num_classes, bins).cpu()

    def predicted(self) -> Tensor:
        """Number of predictions of each class, (K,)."""
        return self.counts.sum(dim=1)

    def thresholds(self, portion: float) -> Tensor:
        """Confidence above which the top ``portion`` of each class's predictions lies (CBST).

        Args:
            portion: Share of the pixels predicted as a class that are kept, in (0, 1].

        Returns:
            (K,), float64: the lower border of the bin in which the portion ends, ``exp(-lambda_k)``
            of the paper; infinite for a class that nothing was predicted as, which is kept out.

        Raises:
            ValueError: A portion outside (0, 1].
        """
        if not 0 < portion <= 1:
            raise ValueError(f"portion: got {portion}; allowed: a share above 0, at most 1.")
        bins = self.counts.shape[1]
        total = self.predicted()
        wanted = torch.ceil(total.double() * portion).long()
        from_top = self.counts.flip(1).cumsum(1)
        ends = (from_top >= wanted.unsqueeze(1)).long().argmax(1)  # the first bin with enough
        border = (bins - 1 - ends).double() / bins * (2 * self._LIMIT) - self._LIMIT
        thresholds = torch.sigmoid(border)
        thresholds[total == 0] = float("inf")
        return thresholds


def choose_labels(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    """Pseudo labels of CBST: the class whose probability most exceeds its threshold.

    ``argmax_k p_k / threshold_k`` where that ratio is above 1, ignored elsewhere (CBST, eq. 8).

    Args:
        probabilities: (K, ...).
        thresholds: (K,), see :meth:`ConfidenceHistogram.thresholds`.

    Returns:
        (...), int64, 255 where no class exceeds its threshold.
    """
    ratio, label = _ratios(probabilities, thresholds).max(dim=0)
    return torch.where(ratio > 1, label, IGNORE)


def soft_labels(probabilities: Tensor, thresholds: Tensor, alpha: float = 0.25) -> Tensor:
    """Soft pseudo labels of LRENT, label regularisation by entropy (CRST, table 1).

    ``(p_k / threshold_k)^(1/alpha)``, normalised over the classes; which pixels are labelled at
    all is decided as in :func:`choose_labels`. ``alpha`` towards 0 gives CBST's hard labels.

    Args:
        probabilities: (K, ...).
        thresholds: (K,).
        alpha: Weight of the entropy. Defaults to 0.25, the paper's for GTA5 -> Cityscapes.

    Returns:
        (K, ...), of the probabilities' type; all zero where no label is given.

    Raises:
        ValueError: An ``alpha`` that is not positive.
    """
    if not alpha > 0:
        raise ValueError(f"alpha: got {alpha}; allowed: a number above 0 (hard labels need none).")
    ratios = _ratios(probabilities, thresholds)
    soft = torch.softmax(ratios.clamp(min=1e-300).log() / alpha, dim=0)
    chosen = choose_labels(probabilities, thresholds) != IGNORE
    return (soft * chosen).to(probabilities.dtype)


def _ratios(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    shape = (-1, *[1] * (probabilities.dim() - 1))
    return probabilities.double() / thresholds.to(probabilities.device).double().view(shape)
