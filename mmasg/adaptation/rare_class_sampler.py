"""A keyed sampler that shows frames with rare classes of the source more often."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATA_SAMPLERS

from mmasg.errors import wrong
from mmasg.reproducible.ratio_sampler import KeyedRatioSampler

from .class_statistics import class_statistics
from .rare_classes import rare_class_probabilities

_KEY = "train_dataloader.sampler"
# Keeps these draws apart from others of the same seed.
_STREAM = 40_009


@DATA_SAMPLERS.register_module()
class RareClassSampler(KeyedRatioSampler):
    """Endless keyed sampler with rare-class sampling of the source (DAFormer).

    For every sample a class is drawn by :func:`~mmasg.adaptation.rare_classes.
    rare_class_probabilities`, then one of the frames that show it, each with the same probability
    (Hoyer, Dai, Van Gool, *DAFormer*, CVPR 2022, section 3.3). Each draw has a key of its own, so
    a resumed run, or one on another number of ranks, sees the same samples and augmentations.

    Over a ``ConcatDataset`` of source and pseudo-labelled target it deals the parts by turns as
    :class:`KeyedRatioSampler` does, and draws so from the first.

    Args:
        dataset: The source, or a ``ConcatDataset`` with the source first; either may be in a
            ``KeyedRandomnessDataset``.
        temperature: Of the classes' probabilities. Defaults to 0.01, the paper's.
        statistics: JSON file that keeps the pixels of every class in every frame. Defaults to
            None: counted at each start.
        min_pixels: Pixels of a class from which on a frame shows it. Defaults to 1.
        ratio: Samples of each part in a turn. Defaults to as many of each.
        shuffle: Of the other parts. Defaults to True.
        seed: As of :class:`KeyedInfiniteSampler`.

    Raises:
        ValueError: A number out of its range, or no frame shows any class.

    Example:
        >>> train_dataloader = dict(sampler=dict(
        ...     type='RareClassSampler', statistics='work_dirs/gta5_classes.json'))
    """

    def __init__(
        self,
        dataset: Sized,
        temperature: float = 0.01,
        statistics: str | None = None,
        min_pixels: int = 1,
        ratio: Sequence[int] | None = None,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        if type(min_pixels) is not int or min_pixels < 1:
            raise ValueError(wrong(f"{_KEY}.min_pixels", min_pixels, "a whole number above 0"))
        ratio = [1] * len(self._parts(dataset)) if ratio is None else ratio
        super().__init__(dataset, ratio, shuffle, seed)
        counts = class_statistics(self._parts(dataset)[0], statistics, f"{_KEY}.statistics")
        shown = counts >= min_pixels
        pixels = np.where(shown.any(axis=0), counts.sum(axis=0), 0)
        if not pixels.any():
            raise ValueError(
                f"{_KEY}.min_pixels: no frame has {min_pixels} pixels of any class. Lower it, or "
                "look at the labels by tools/check_data.py."
            )
        #: Probability of every class, (K,); 0 for one that no frame shows.
        self.probabilities = rare_class_probabilities(torch.from_numpy(pixels), temperature).numpy()
        self._frames = [np.flatnonzero(column) for column in shown.T]

    def _parts(self, dataset: Any) -> Sequence[Sized]:
        joined = getattr(dataset, "dataset", dataset)
        return getattr(joined, "datasets", None) or [joined]

    def _draw(self, part: int, number: int) -> int:
        if part > 0:
            return super()._draw(part, number)
        random = np.random.default_rng((_STREAM, self.seed, number))
        frames = self._frames[random.choice(len(self.probabilities), p=self.probabilities)]
        return int(random.choice(frames))
