"""The few classes that a pixel can be labelled as, small enough to keep on the disk.

A class can only exceed its threshold where its probability is above the threshold, and a threshold
is a winning probability, so at least 1/K: few classes of a pixel come into question.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.datasets.class_maps import IGNORE


class Candidates:
    """The most probable classes of every pixel of a frame.

    Args:
        odds: (M, H, W), float16, log odds of the probabilities, largest first: resolved to 0.01
            where probabilities are within 1e-7 of 1.
        classes: (M, H, W), uint8.
    """

    def __init__(self, odds: Tensor, classes: Tensor) -> None:
        self.odds = odds
        self.classes = classes

    @classmethod
    def of(cls, probabilities: Tensor, most: int = 3) -> Candidates:
        """Take the ``most`` probable classes of (K, H, W) probabilities."""
        left = probabilities.clone()
        found = []
        for _ in range(min(most, len(probabilities))):
            # Of equal ones the first, which topk leaves open; and no slower than it.
            found.append(left.max(dim=0))
            left.scatter_(0, found[-1].indices[None], -1.0)
        values = torch.stack([one.values for one in found])
        classes = torch.stack([one.indices for one in found])
        return cls(torch.logit(values.double(), eps=1e-9).half().cpu(), classes.byte().cpu())

    def labels(self, thresholds: Tensor) -> Tensor:
        """Pseudo labels (H, W), uint8: as :func:`choose_labels`, of the candidates alone."""
        ratios = torch.sigmoid(self.odds.double()) / thresholds.double()[self.classes.long()]
        best, place = ratios.max(dim=0)
        label = self.classes.gather(0, place[None])[0]
        return torch.where(best > 1, label, torch.full_like(label, IGNORE))

    def soft(self, thresholds: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """Soft labels: as :func:`soft_labels`, of the candidates alone.

        Returns:
            The candidates' classes and their weights, both (M, H, W) uint8; 255 is a weight of 1.
        """
        ratios = torch.sigmoid(self.odds.double()) / thresholds.double()[self.classes.long()]
        weights = torch.softmax(ratios.clamp(min=1e-300).log() / alpha, dim=0)
        return self.classes, (255 * weights).round().byte()

    def save(self, path: Path) -> None:
        """Write 3 bytes a candidate and pixel."""
        packed = torch.cat([self.odds.view(torch.uint8).flatten(), self.classes.flatten()])
        head = np.asarray(self.odds.shape, dtype=np.int32).tobytes()
        write_atomically(head + packed.numpy().tobytes(), path)

    @classmethod
    def load(cls, path: Path) -> Candidates:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The file is not of this form.
        """
        content = path.read_bytes()
        whole = len(content) >= 12
        shape = tuple(np.frombuffer(content[:12], dtype=np.int32).tolist()) if whole else ()
        size = int(np.prod(shape)) if len(shape) == 3 and min(shape) > 0 else -1
        if len(content) != 12 + 3 * size:
            raise ValueError(
                f"{path} holds no kept predictions, or is cut off: remove it, and it is made anew."
            )
        odds = np.frombuffer(content, dtype=np.float16, count=size, offset=12)
        classes = np.frombuffer(content, dtype=np.uint8, count=size, offset=12 + 2 * size)
        return cls(
            torch.from_numpy(odds.copy()).view(shape), torch.from_numpy(classes.copy()).view(shape)
        )
