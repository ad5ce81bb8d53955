"""A small sample of every layer group's gradient, to compare directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_TENSORS = 4
_ELEMENTS = 2048


class GradientSketch:
    """Which elements of each layer group's gradient are looked at.

    Four weight tensors of a group, spread evenly over it, and 2,048 elements of each, spread evenly
    over the tensor. A direction's cosine is known from so many elements to about 0.01, and a
    gradient's copy for the next step costs 32 kB a group whatever the network.

    Args:
        groups: The parameters of each group, in the network's order.
    """

    def __init__(self, groups: Sequence[Sequence[Tensor]]) -> None:
        #: The tensors looked at, group by group.
        self.chosen = [
            _spread([p for p in group if p.dim() > 1] or list(group)) for group in groups
        ]

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors looked at, in order."""
        return [p for group in self.chosen for p in group]

    @torch.no_grad()
    def take(self, gradients: Sequence[Tensor | None]) -> Tensor:
        """Return (G, N) samples in float32, padded with zeros.

        Args:
            gradients: Of :attr:`tensors`, in their order; ``None`` counts as zero. Of a sharded
                gradient this process's part is taken.
        """
        device = self.chosen[0][0].device
        rows = torch.zeros(len(self.chosen), _TENSORS * _ELEMENTS, device=device)
        left = iter(gradients)
        for row, group in zip(rows, self.chosen, strict=True):
            for i in range(len(group)):
                gradient = next(left)
                if gradient is None:
                    continue
                local = gradient.to_local() if hasattr(gradient, "to_local") else gradient
                flat = local.flatten()
                part = flat[:: max(1, -(-flat.numel() // _ELEMENTS))]
                row[i * _ELEMENTS :][: part.numel()] = part
        return rows


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row of two (G, N), 0 where one of them is zero; (G,)."""
    return torch.nn.functional.cosine_similarity(a, b, dim=1, eps=1e-20)


def _spread(tensors: list[Tensor]) -> list[Tensor]:
    count = min(_TENSORS, len(tensors))
    return [tensors[i * len(tensors) // count] for i in range(count)]
