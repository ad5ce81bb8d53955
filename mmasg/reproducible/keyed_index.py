"""Randomness that depends on the sample and the step, not on who draws it or when.

mmengine seeds every data worker once and lets it draw on. What a worker has drawn then depends on
the number of workers and ranks, and is lost when a run is interrupted, so a resumed run sees other
augmentations than the run it continues. Here randomness is keyed instead:

- a sampler hands out indices that carry ``(seed, epoch, place in the epoch)``
  (:mod:`.keyed_samplers`);
- a dataset wrapper seeds ``random``, ``numpy.random`` and torch from that key before the pipeline
  of the sample runs (:mod:`.keyed_dataset`);
- a hook seeds the training process itself from ``(seed, iteration, rank)`` before each iteration,
  for dropout and whatever else draws in the forward pass (:mod:`.keyed_hook`).

The same images with the same augmentations in the same iterations follow for any number of
workers, for any number of ranks at the same total batch size, and after any interruption.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .kept_randomness import kept_randomness

# Keeps the keys of samples and of iterations apart.
_SAMPLE, _STEP = 0, 1


class KeyedIndex(int):
    """A dataset index which also says which draw of the whole training it is.

    It is an ``int`` in every respect, so that samplers of batches, data workers and datasets that
    know nothing of it take it as the index.

    Args:
        index: Index into the dataset.
        key: ``(seed, epoch, place)``: the sampler's seed, the pass over the dataset and the place
            within that pass, both from 0 and the same for any number of ranks.
    """

    key: tuple[int, int, int]

    def __new__(cls, index: int, key: tuple[int, int, int]) -> KeyedIndex:
        """Make the integer and attach the key."""
        self = super().__new__(cls, index)
        self.key = key
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (KeyedIndex, (int(self), self.key))


def _states(*key: int) -> np.ndarray:
    """Mix non-negative integers into eight 32-bit words, well spread for neighbouring keys."""
    return np.random.SeedSequence(key).generate_state(8)


@contextmanager
def keyed_randomness(key: tuple[int, int, int]) -> Iterator[None]:
    """Run a block with all CPU generators seeded from ``key``, then put their states back.

    Putting them back matters with ``num_workers=0``, where the pipeline shares its generators with
    the training itself. CUDA generators are left alone: data pipelines do not draw from them.

    Args:
        key: ``(seed, epoch, place)`` of a :class:`KeyedIndex`.
    """
    states = _states(_SAMPLE, *key)
    with kept_randomness():
        random.seed(int(states[0]) << 32 | int(states[1]))
        np.random.seed(states[2:6])
        torch.default_generator.manual_seed(int(states[6]) << 31 | int(states[7]) >> 1)
        yield


def iteration_states(seed: int, iteration: int, rank: int) -> np.ndarray:
    """Eight 32-bit words that depend on seed, iteration and rank of a training process."""
    return _states(_STEP, seed, iteration, rank)
