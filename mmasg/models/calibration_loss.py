"""A loss on how far confidence and accuracy lie apart, as MMSegmentation's heads call it."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmasg.errors import wrong


@MODELS.register_module()
class DCALoss(nn.Module):
    r"""Difference between confidence and accuracy of a batch.

    .. math:: \Bigl| \frac{1}{N} \sum_n c_n - \frac{1}{N} \sum_n \max_k p_k(x_n) \Bigr|

    with :math:`c_n` 1 where the prediction is right and 0 where it is not, and N the positions with
    a label. The gradient reaches the confidences: a batch on which the network is surer than it is
    right makes it less sure. Source: Liang et al. 2020, *Improved Trainable Calibration Method for
    Neural Networks on Medical Imaging Classification*; AugCal (Chattopadhyay et al., ICLR 2024)
    adds it to the task loss on strongly augmented synthetic images, ``PASTA`` among them. It stands
    beside the cross-entropy in a head's ``loss_decode`` list, or in ``extra_losses`` of
    ``MLPClassifierHead``.

    Args:
        loss_weight: Defaults to 1.0.
        loss_name: Defaults to ``'loss_dca'``.

    Shape:
        - pred: (N, K, ...) logits.
        - label: (N, ...), int64.
        - output: scalar, ``loss_weight`` times a number in [0, 1]; 0 where nothing has a label.

    Raises:
        ValueError: A weight that is no number above 0; or one channel of logits, where a softmax
            says nothing.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = "loss_dca") -> None:
        super().__init__()
        if isinstance(loss_weight, bool) or not 0 < loss_weight < float("inf"):
            raise ValueError(wrong("DCALoss.loss_weight", loss_weight, "a number above 0"))
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
        """Return the weighted difference over the labelled positions."""
        if pred.shape[1] < 2:
            raise ValueError(
                wrong("DCALoss: channels of the logits", pred.shape[1], "2 or more", "Set "
                      "out_channels of the head to its number of classes.")
            )  # fmt: skip
        confidence, predicted = pred.float().softmax(dim=1).max(dim=1)
        surplus = confidence - (predicted == label).float()
        there = (label != ignore_index).float()
        if weight is not None:
            there = there * weight
        difference = (surplus * there).sum() / there.sum().clamp(min=torch.finfo().tiny)
        return self.loss_weight * difference.abs()
