"""The training process' own randomness, keyed by the iteration."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmasg.files.head_labels import Head, heads_of
from mmasg.files.sample_check import judge_batch
from mmasg.wrapped_model import unwrap

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

    It also judges the label ids that :class:`KeyedRandomnessDataset` could not, because only the
    model's heads know what they leave out.

    Args:
        seed: Seed; ``None`` takes the runner's. Defaults to None.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._seed = 0
        self._heads: list[Head] = []

    def before_train(self, runner: Any) -> None:
        """Take over the runner's seed, and give it to a sampler that was built before a resume."""
        self._seed = runner.seed if self.seed is None else self.seed
        self._heads = list(heads_of(runner.cfg.get("model")))
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
        """Judge the batch's labels; seed ``random``, ``numpy.random`` and torch on all devices."""
        samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
        if self._heads and isinstance(samples, (list, tuple)):
            judge_batch(samples, self._heads, _padding(unwrap(runner.model), samples))
        states = iteration_states(self._seed, runner.iter, runner.rank)
        random.seed(int(states[0]) << 32 | int(states[1]))
        np.random.seed(states[2:6])
        torch.manual_seed(int(states[6]) << 31 | int(states[7]) >> 1)


def _padding(model: Any, samples: Sequence[Any]) -> int | None:
    """The id by which the data preprocessor pads a batch's labels; None where it pads none."""
    preprocessor = getattr(model, "data_preprocessor", None)
    size, divisor = getattr(preprocessor, "size", None), getattr(preprocessor, "size_divisor", None)
    shapes = [s.gt_sem_seg.data.shape[-2:] for s in samples if "gt_sem_seg" in s]
    if size is not None:
        pads = any(h < size[-2] or w < size[-1] for h, w in shapes)
    else:
        pads = bool(divisor) and any(h % divisor or w % divisor for h, w in shapes)
    return getattr(preprocessor, "seg_pad_val", None) if pads else None
