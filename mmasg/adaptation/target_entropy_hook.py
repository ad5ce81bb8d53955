"""Entropy minimisation on unlabelled target frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import HOOKS
from torch import Tensor, nn

from .confidence_losses import EntropyLoss
from .target_hook import TargetHook


@HOOKS.register_module()
class TargetEntropyHook(TargetHook):
    """Make the model's predictions of target frames certain.

    ``loss_target_entropy = loss_weight * mean over pixels of the entropy``, over ``log K`` so that
    it lies in [0, 1] (Grandvalet and Bengio, NeurIPS 2005; for segmentation Vu et al., *ADVENT*,
    CVPR 2019, eq. 2 and 3). For a classifier the mean is over images. Logged: the loss.

    Args:
        target (dict): Dataloader of the target, as for ``MeanTeacherHook``.
        loss_weight (float): Defaults to 0.001, ADVENT's.

    Raises:
        TypeError: ``target`` is no dict with a dataset.
        ValueError: See :class:`~mmasg.adaptation.target_hook.TargetHook`.
    """

    def __init__(self, target: Mapping[str, Any], loss_weight: float = 0.001) -> None:
        super().__init__(target, loss_weight)
        self._loss = EntropyLoss(loss_weight)

    def trained_with(self) -> dict:
        """Return the settings that decide about the result, for a resume to compare."""
        return dict(target=self.target, loss_weight=self.loss_weight)

    def target_losses(self, model: nn.Module, losses: dict) -> dict[str, Tensor]:
        """The entropy of the target batch."""
        logits = model.forward(self.frames(model), mode="tensor")
        return {"loss_target_entropy": self._loss(logits)}
