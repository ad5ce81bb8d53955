"""The teacher of online self-training: a moving average of the student."""

from __future__ import annotations

import torch
from mmengine.model import BaseAveragedModel
from torch import Tensor, nn

from .teacher_schedule import teacher_momentum


class MeanTeacher(BaseAveragedModel):
    """mmengine's averaged model with the schedule of :func:`teacher_momentum`.

    BatchNorm statistics are the student's. It never trains and takes no gradient.

    Args:
        model: A network of its own, of the student's architecture; its weights are overwritten.
        momentum: See :func:`teacher_momentum`.
    """

    def __init__(self, model: nn.Module, momentum: float) -> None:
        super().__init__(model)
        self.momentum = momentum
        self.eval()

    def train(self, mode: bool = True) -> MeanTeacher:
        """Stay in eval mode, whatever is asked for."""
        self.module.eval()
        self.training = False
        return self

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int) -> None:
        """Move one tensor towards the student's."""
        averaged_param.lerp_(source_param, 1 - teacher_momentum(int(steps), self.momentum))

    @torch.no_grad()
    def probabilities(self, inputs: Tensor) -> Tensor:
        """Class probabilities of preprocessed frames at their own size, (N, K, H, W), float32."""
        logits = self.module.forward(inputs, mode="tensor")
        return to_size(logits, inputs.shape[-2:]).softmax(dim=1)


def to_size(logits: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Logits (N, K, h, w) at the size of the labels, bilinearly, in float32."""
    return nn.functional.interpolate(
        logits.float(), size=tuple(size), mode="bilinear", align_corners=False
    )
