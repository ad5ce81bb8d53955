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
        """Class probabilities of preprocessed frames at their own size, (N, K, H, W), float32.

        A classifier's are (N, K, 1, 1).
        """
        logits = self.module.forward(inputs, mode="tensor")
        if logits.dim() == 2:
            return logits.float().softmax(dim=1)[..., None, None]
        return to_size(logits, inputs.shape[-2:]).softmax(dim=1)


def to_size(logits: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Logits (N, K, h, w) at the size of the labels, bilinearly, in float32."""
    return nn.functional.interpolate(
        logits.float(), size=tuple(size), mode="bilinear", align_corners=False
    )


def same_layout(network: nn.Module, student: nn.Module) -> None:
    """Lay a network's weights out channels-last where the student's are (``ChannelsLastHook``)."""
    maps = [p for p in student.parameters() if p.dim() == 4 and p.shape[1] > 1 and p.shape[2] > 1]
    if maps and all(p.is_contiguous(memory_format=torch.channels_last) for p in maps):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
