"""Losses on the confidence of predictions, as MMSegmentation's heads call them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MRKLDLoss(nn.Module):
    r"""Model regularisation by the KL divergence to the uniform distribution.

    :math:`-\frac{1}{K} \sum_k \log p_k`, the divergence up to the constant :math:`\log K`, over
    the positions that have a label: a network that is sure of a pseudo label pays for it (Zou et
    al., *Confidence Regularized Self-Training*, ICCV 2019, table 1). Pseudo labels alone are what
    it is for: :class:`~mmasg.adaptation.self_training_hook.SelfTrainingHook` gives those of the
    target the weight 1 and the source's the weight 0.

    Args:
        loss_weight: Defaults to 0.1, the paper's alpha for GTA5 -> Cityscapes.
        loss_name: Defaults to ``'loss_mrkld'``.

    Shape:
        - pred: (N, K, ...) logits.
        - label: (N, ...), int64.
        - weight: (N, ...), what each position counts; None: all alike.
        - output: scalar, the sum of the weighted terms through the number of labels.
    """

    def __init__(self, loss_weight: float = 0.1, loss_name: str = "loss_mrkld") -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        pred: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> Tensor:
        """Return the weighted mean over the labelled positions."""
        each = -F.log_softmax(pred.float(), dim=1).mean(dim=1)
        return self.loss_weight * _mean_where(each, label != ignore_index, weight)


class EntropyLoss(nn.Module):
    r"""Entropy of the predictions, over :math:`\log K` so that it lies in [0, 1].

    :math:`-\frac{1}{\log K} \sum_k p_k \log p_k`, its mean over all positions: entropy
    minimisation (Grandvalet and Bengio 2005; for segmentation Vu et al., *ADVENT*, CVPR 2019,
    eq. 2). Labels are not looked at.

    Args:
        loss_weight: Defaults to 0.001, ADVENT's.
        loss_name: Defaults to ``'loss_entropy'``.

    Shape:
        - pred: (N, K, ...) logits.
        - output: scalar.
    """

    def __init__(self, loss_weight: float = 0.001, loss_name: str = "loss_entropy") -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, pred: Tensor, label: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Return the weighted mean over all positions."""
        log = F.log_softmax(pred.float(), dim=1)
        entropy = -(log.exp() * log).sum(dim=1) / torch.tensor(float(pred.shape[1])).log()
        return self.loss_weight * entropy.mean()


def soft_excess(
    pred: Tensor, label: Tensor, classes: Tensor, weights: Tensor, ignore_index: int = 255
) -> Tensor:
    """By how much the cross-entropy with soft labels exceeds that with the hard ones.

    ``-sum_m w_m log p_(c_m) + log p_label`` with the weights normalised: added to a cross-entropy
    with hard labels it makes the one that LRENT trains with (CRST, equation 4).

    Args:
        pred: (N, K, ...) logits.
        label: (N, ...), the hard labels, int64.
        classes: (N, M, ...), uint8, candidate classes.
        weights: (N, M, ...), uint8, their weights; all 0: no soft label, the excess is 0.
        ignore_index: Label of no class; the excess is 0 there. Defaults to 255.

    Returns:
        (N, ...), float32.
    """
    log = F.log_softmax(pred.float(), dim=1)
    there = (label != ignore_index) & (weights.sum(dim=1) > 0)
    candidates = classes.long().clamp(max=pred.shape[1] - 1)
    shares = weights.float() / weights.float().sum(dim=1, keepdim=True).clamp(min=1)
    soft = (shares * log.gather(1, candidates)).sum(dim=1)
    hard = log.gather(1, torch.where(there, label, 0).unsqueeze(1)).squeeze(1)
    return (hard - soft) * there


def _mean_where(values: Tensor, there: Tensor, weight: Tensor | None) -> Tensor:
    if weight is not None:
        values = values * weight
    return (values * there).sum() / there.sum().clamp(min=1)
