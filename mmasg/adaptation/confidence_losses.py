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
    al., *Confidence Regularized Self-Training*, ICCV 2019, table 1). It stands beside the
    cross-entropy in a head's ``loss_decode`` list.

    Args:
        loss_weight: Defaults to 0.1, the paper's alpha for GTA5 -> Cityscapes.
        loss_name: Defaults to ``'loss_mrkld'``.

    Shape:
        - pred: (N, K, ...) logits.
        - label: (N, ...), int64.
        - output: scalar, 0 where nothing has a label.
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


def _mean_where(values: Tensor, there: Tensor, weight: Tensor | None) -> Tensor:
    if weight is not None:
        values = values * weight
    return (values * there).sum() / there.sum().clamp(min=1)
