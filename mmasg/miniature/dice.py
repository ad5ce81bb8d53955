"""Random draws that are the same on every machine and with every numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

# Streams of one frame. Geometry has one of its own, so that a change of textures never moves a
# label.
GEOMETRY, APPEARANCE, SENSOR = 0, 1, 2


class Dice:
    """Draws for the geometry of one frame.

    numpy promises a stable stream for its bit generators but not for ``Generator``'s
    distributions, so the few distributions needed are made here from the raw 64-bit words, with
    nothing but additions, multiplications and comparisons (which every IEEE machine rounds alike).

    Args:
        key: Non-negative integers that name the stream, e.g. ``(seed, domain, index, GEOMETRY)``.
    """

    def __init__(self, key: Sequence[int]) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(list(key)))

    def real(self, low: float = 0.0, high: float = 1.0) -> float:
        """A uniform number in ``[low, high)``."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def integer(self, low: int, high: int) -> int:
        """A uniform integer in ``low..high``, both included."""
        # The bias of the modulo is below 2**-50 for the small ranges used here.
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.real() < probability

    def sign(self) -> int:
        """Either -1 or 1."""
        return 1 if self.chance(0.5) else -1

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``, each as likely."""
        return options[self.integer(0, len(options) - 1)]


def appearance_generator(key: Sequence[int]) -> np.random.Generator:
    """A numpy generator for colours, textures and noise (stable under pinned versions)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))
