"""The mean teacher's numbers: how fast it follows, how much its labels of a frame count."""

from __future__ import annotations

import torch
from torch import Tensor


def teacher_momentum(iteration: int, momentum: float = 0.999) -> float:
    """Share of the teacher's weights that stays at an update.

    ``min(1 - 1 / (t + 1), momentum)``: the mean of the student's weights first, a moving average
    later (Tarvainen and Valpola, *Mean teachers*, NeurIPS 2017; DACS and DAFormer alike).

    Args:
        iteration: t, updates done before this one, from 0: the first copies the student.
        momentum: The share in the long run. Defaults to 0.999.
    """
    return min(1 - 1 / (iteration + 1), momentum)


def frame_weight(confidence: Tensor, threshold: float = 0.968) -> Tensor:
    """Weight of a frame's pseudo labels: the share of its pixels that the teacher is sure of.

    Args:
        confidence: (..., H, W) probability of the predicted class.
        threshold: A pixel counts as sure above it. Defaults to 0.968 (DACS, section 3.2;
            DAFormer, eq. 4).

    Returns:
        (...), float32, in [0, 1].
    """
    return (confidence > threshold).float().mean(dim=(-2, -1)).to(torch.float32)
