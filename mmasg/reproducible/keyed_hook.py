"""The training process' own randomness, keyed by the iteration."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from .keyed_index import iteration_states
from .keyed_samplers import KeyedSampler


@HOOKS.register_module()
class KeyedRandomnessHook(Hook):
    """Seed the training process before every iteration from ``(seed, iteration, rank)``.

    What the forward pass draws (dropout, stochastic depth, ...) then needs no generator state in
    checkpoints: a resumed run draws what the uninterrupted one would have drawn. Ranks draw
    differently.

    When a run without ``randomness.seed`` is resumed, mmengine takes over the checkpoint's seed
    only after it has built the sampler with another one; the hook hands the sampler the right one.

    Args:
        seed: Seed; ``None`` takes the runner's. Defaults to None.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._seed = 0

    def before_train(self, runner: Any) -> None:
        """Take over the runner's seed, and give it to a sampler that was built before a resume."""
        self._seed = runner.seed if self.seed is None else self.seed
        loop = runner.train_loop
        sampler = getattr(loop.dataloader, "sampler", None)
        batch_sampler = getattr(loop.dataloader, "batch_sampler", None)
        if not isinstance(sampler, KeyedSampler):
            sampler = getattr(batch_sampler, "sampler", None)
        if not isinstance(sampler, KeyedSampler):
            runner.logger.warning(
                "KeyedRandomnessHook: the training's sampler gives no sample keys "
                f"({type(sampler).__name__}), so a resumed run may see other augmentations. Set "
                "train_dataloader.sampler=dict(type='KeyedInfiniteSampler') and wrap the dataset "
                "in KeyedRandomnessDataset."
            )
            return
        if runner.iter > 0 and sampler.seed != runner.seed:
            sampler.seed = runner.seed
            if hasattr(loop, "dataloader_iterator"):
                # mmengine 0.10.7 has started its workers, with the old seed, by now.
                loop.dataloader_iterator = type(loop.dataloader_iterator)(loop.dataloader)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Seed ``random``, ``numpy.random`` and torch on all devices."""
        states = iteration_states(self._seed, runner.iter, runner.rank)
        random.seed(int(states[0]) << 32 | int(states[1]))
        np.random.seed(states[2:6])
        torch.manual_seed(int(states[6]) << 31 | int(states[7]) >> 1)
