"""Vectors of past batches, as further negatives of a contrastive loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """The last ``size`` vectors, the oldest overwritten first (He et al., *MoCo*, CVPR 2020).

    A module for its buffers alone: they travel with ``state_dict()`` and ``to(device)``.

    Args:
        size: How many vectors it holds.
        channels: Their length.
    """

    rows: Tensor
    next: Tensor
    filled: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(size, channels))
        self.register_buffer("next", torch.zeros((), dtype=torch.long))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def known(self) -> Tensor:
        """Return what it holds so far, (M, channels); M is 0 at the start of a training."""
        return self.rows[: int(self.filled)]

    @torch.no_grad()
    def add(self, rows: Tensor) -> None:
        """Add vectors, (K, channels) with K no more than ``size``."""
        places = (int(self.next) + torch.arange(len(rows), device=rows.device)) % len(self.rows)
        self.rows[places] = rows.to(self.rows.dtype)
        self.next.fill_((int(self.next) + len(rows)) % len(self.rows))
        self.filled.fill_(min(int(self.filled) + len(rows), len(self.rows)))
