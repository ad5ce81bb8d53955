"""Randomness that depends on the sample and the step, not on who draws it or when.

mmengine seeds every data worker once and lets it draw on. What a worker has drawn then depends on
the number of workers and ranks, and is lost when a run is interrupted, so a resumed run sees other
augmentations than the run it continues. Here randomness is keyed instead:

- a sampler hands out indices that carry ``(seed, epoch, place in the epoch)``
  (:class:`KeyedInfiniteSampler`, :class:`KeyedDefaultSampler`);
- a dataset wrapper seeds ``random``, ``numpy.random`` and torch from that key before the pipeline
  of the sample runs (:class:`KeyedRandomnessDataset`);
- a hook seeds the training process itself from ``(seed, iteration, rank)`` before each iteration,
  for dropout and whatever else draws in the forward pass (:class:`KeyedRandomnessHook`).

The same images with the same augmentations in the same iterations follow for any number of
workers, for any number of ranks at the same total batch size, and after any interruption.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, DATASETS, HOOKS
from torch.utils.data import Dataset, Sampler

from mmasg.files.sample_check import check_sample, explain

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
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    states = _states(_SAMPLE, *key)
    random.seed(int(states[0]) << 32 | int(states[1]))
    np.random.seed(states[2:6])
    torch.default_generator.manual_seed(int(states[6]) << 31 | int(states[7]) >> 1)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])


class _KeyedSampler(Sampler):
    """What both keyed samplers share: seed, rank and the order of one epoch."""

    def __init__(self, dataset: Sized, shuffle: bool, seed: int | None) -> None:
        if len(dataset) == 0:
            raise ValueError(
                f"{type(self).__name__} got an empty dataset ({type(dataset).__name__} has no "
                "samples). Check `data_root`, `data_prefix` and `ann_file` of "
                "train_dataloader.dataset."
            )
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        if self.seed < 0:
            raise ValueError(f"seed of {type(self).__name__} must not be negative, got {seed}.")
        self._skipped = 0

    def _order(self, epoch: int) -> list[int]:
        """Dataset indices in the order of one pass, the same on every rank."""
        if not self.shuffle:
            return list(range(self.size))
        generator = torch.Generator()
        generator.manual_seed(self.seed + epoch)
        return torch.randperm(self.size, generator=generator).tolist()

    @staticmethod
    def _check_skip(num_samples: int) -> int:
        if num_samples < 0:
            raise ValueError(f"num_samples to skip must not be negative, got {num_samples}.")
        return num_samples


@DATA_SAMPLERS.register_module()
class KeyedInfiniteSampler(_KeyedSampler):
    """Endless sampler for iteration-based training whose indices carry their random key.

    The samples of all ranks form one stream: pass after pass over the dataset, each pass in an
    order drawn from ``seed + pass``. Ranks are dealt its samples in turn: with ``W`` ranks, rank
    ``r`` takes positions ``r, r + W, r + 2W, ...``. Iteration ``k`` of ``W`` ranks with batch size
    ``b`` therefore sees the very set of samples that one process with batch size ``W * b`` sees.

    Args:
        dataset: The dataset.
        shuffle: Whether each pass is in random order. Defaults to True.
        seed: Seed of order and keys, the same on every rank. mmengine's runner passes its own;
            ``None`` draws one and shares it among the ranks.

    Raises:
        ValueError: If the dataset is empty or the seed negative.

    Example:
        >>> train_dataloader = dict(
        ...     batch_size=4, num_workers=4,
        ...     sampler=dict(type='KeyedInfiniteSampler'),
        ...     dataset=dict(type='KeyedRandomnessDataset', dataset=dict(type='GTA5Dataset')))
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle, seed)

    def __iter__(self) -> Iterator[KeyedIndex]:
        """Yield this rank's indices for ever."""
        position = self.rank + self._skipped * self.world_size
        epoch, place = divmod(position, self.size)
        while True:
            order = self._order(epoch)
            while place < self.size:
                yield KeyedIndex(order[place], (self.seed, epoch, place))
                place += self.world_size
            passes, place = divmod(place, self.size)
            epoch += passes

    def skip(self, num_samples: int) -> None:
        """Start the next iteration over the sampler after ``num_samples`` samples of this rank.

        Nothing is loaded. mmengine's iteration-based loop calls it on resume where it knows how
        (onedl-mmengine >= 0.10.11); elsewhere the loop replays the samples, with the same result.

        Args:
            num_samples: Samples this rank has consumed, counted from the start of the training.

        Raises:
            ValueError: If ``num_samples`` is negative.
        """
        self._skipped = self._check_skip(num_samples)

    def __len__(self) -> int:
        """Length of the dataset, as mmengine's ``InfiniteSampler`` has it."""
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the stream knows no epochs of the loop."""


@DATA_SAMPLERS.register_module()
class KeyedDefaultSampler(_KeyedSampler):
    """mmengine's ``DefaultSampler`` with indices that carry their random key.

    Order (``seed + epoch``), dealing in turn and rounding up are those of ``DefaultSampler``, so a
    run can be switched over without changing which images it sees. The samples which rounding up
    repeats come last in the epoch and have keys of their own.

    Args:
        dataset: The dataset.
        shuffle: Whether each epoch is in random order. Defaults to True.
        seed: Seed of order and keys, the same on every rank. mmengine's runner passes its own;
            ``None`` draws one and shares it among the ranks.
        round_up: Whether samples are repeated until every rank has the same number.
            Defaults to True.

    Raises:
        ValueError: If the dataset is empty or the seed negative.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        super().__init__(dataset, shuffle, seed)
        self.epoch = 0
        self.round_up = round_up
        if round_up:
            self.num_samples = math.ceil(self.size / self.world_size)
            self.total_size = self.num_samples * self.world_size
        else:
            self.num_samples = math.ceil((self.size - self.rank) / self.world_size)
            self.total_size = self.size

    def __iter__(self) -> Iterator[KeyedIndex]:
        """Yield this rank's indices of the current epoch, after those to skip."""
        order = self._order(self.epoch)
        start = self.rank + self._skipped * self.world_size
        self._skipped = 0  # holds for one epoch only: the next one is whole
        for place in range(start, self.total_size, self.world_size):
            yield KeyedIndex(order[place % self.size], (self.seed, self.epoch, place))

    def skip_in_epoch(self, num_samples: int) -> None:
        """Leave out the first ``num_samples`` samples of this rank in the next epoch iterated.

        It is not called ``skip``, because mmengine's iteration-based loop would take that for a
        position in a stream without epochs; there the loop replays the samples instead.

        Args:
            num_samples: Samples of the epoch which this rank has consumed.

        Raises:
            ValueError: If ``num_samples`` is negative.
        """
        self._skipped = self._check_skip(num_samples)

    def __len__(self) -> int:
        """Samples of this rank in a whole epoch."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has.

        Args:
            epoch: Epoch, from 0.
        """
        self.epoch = epoch


@DATASETS.register_module()
class KeyedRandomnessDataset(Dataset):
    """Wrap a dataset so that a sample's augmentation depends on its key alone.

    Before the wrapped dataset prepares a sample, ``random``, ``numpy.random`` and torch's CPU
    generator are seeded from the key which :class:`KeyedInfiniteSampler` or
    :class:`KeyedDefaultSampler` attached to the index; afterwards their states are put back.
    With a plain index (another sampler, or one typed in by hand) the sample is prepared as the
    wrapped dataset does it by itself, and a warning says so once.

    Samples that cannot be prepared, or whose label ids are no classes, raise an error that names
    the file (:mod:`mmasg.files.sample_check`).

    Args:
        dataset: Config of the wrapped dataset, or the dataset.

    Raises:
        TypeError: If ``dataset`` is neither a config nor a dataset.
    """

    def __init__(self, dataset: Dataset | dict) -> None:
        if isinstance(dataset, dict):
            self.dataset = DATASETS.build(dataset)
        elif isinstance(dataset, Dataset):
            self.dataset = dataset
        else:
            raise TypeError(
                "KeyedRandomnessDataset: `dataset` must be a dataset or its config (a dict), got "
                f"{type(dataset).__name__}. Write "
                "dataset=dict(type='KeyedRandomnessDataset', dataset=dict(type=...))."
            )
        self._warned = False

    @property
    def metainfo(self) -> dict:
        """Meta information (classes, palette, ...) of the wrapped dataset."""
        return getattr(self.dataset, "metainfo", {})

    def full_init(self) -> None:
        """Load the annotations of the wrapped dataset if it puts that off."""
        if hasattr(self.dataset, "full_init"):
            self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """Annotation of one sample, as the wrapped dataset gives it."""
        return self.dataset.get_data_info(idx)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Categories of one sample, as the wrapped dataset gives them."""
        return self.dataset.get_cat_ids(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        if not isinstance(idx, KeyedIndex):
            if not self._warned:
                warnings.warn(
                    "KeyedRandomnessDataset got an index without a key: augmentation is not "
                    "reproducible after a resume. Set "
                    "train_dataloader.sampler=dict(type='KeyedInfiniteSampler') (or "
                    "'KeyedDefaultSampler' in an epoch-based training).",
                    stacklevel=2,
                )
                self._warned = True
            return self._checked(idx)
        with keyed_randomness(idx.key):
            return self._checked(int(idx))

    def _checked(self, index: int) -> Any:
        """The prepared sample, or an error that says which file is to blame."""
        try:
            data = self.dataset[index]
        except Exception as error:
            raise explain(self.dataset, index, error) from error
        check_sample(self.dataset, index, data)
        return data


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
        if not isinstance(sampler, _KeyedSampler):
            sampler = getattr(batch_sampler, "sampler", None)
        if not isinstance(sampler, _KeyedSampler):
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
        states = _states(_STEP, self._seed, runner.iter, runner.rank)
        random.seed(int(states[0]) << 32 | int(states[1]))
        np.random.seed(states[2:6])
        torch.manual_seed(int(states[6]) << 31 | int(states[7]) >> 1)
