"""Gradient reversal, and the discriminator of domains behind it.

Ganin et al., *Domain-Adversarial Training of Neural Networks*, JMLR 17 (2016).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(values: Tensor, strength: float = 1.0) -> Tensor:
    """Return ``values``; their gradient is the result's times ``-strength`` (eq. 12, 13)."""
    return _Reverse.apply(values, strength)


def reversal_strength(progress: float, gamma: float = 10.0) -> float:
    """How much of the gradient is passed on, 0 at the start and nearly 1 at the end (eq. 14).

    ``2 / (1 + exp(-gamma * progress)) - 1``.

    Args:
        progress: Share of the training that is done, 0 to 1.
        gamma: Steepness. Defaults to 10, the paper's.
    """
    return 2.0 / (1.0 + math.exp(-gamma * progress)) - 1.0


class DomainDiscriminator(nn.Module):
    """Says of features whether they are the source's: two 1x1 convolutions.

    On a map it judges every position, as for segmentation; on pooled features (N, C, 1, 1) it is
    the paper's classifier of domains.

    Args:
        in_channels: Channels of the features.
        channels: Hidden width. Defaults to 256.

    Shape:
        - input: (N, C, H, W).
        - output: logits (N, 1, H, W), above 0: the source.
    """

    def __init__(self, in_channels: int, channels: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        return self.layers(features.float())
