"""Samplers whose indices say which draw of the whole training they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from .keyed_index import KeyedIndex


class KeyedSampler(Sampler):
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

    def _order(self, epoch: int, size: int | None = None) -> list[int]:
        """Dataset indices in the order of one pass, the same on every rank."""
        size = self.size if size is None else size
        if not self.shuffle:
            return list(range(size))
        generator = torch.Generator()
        generator.manual_seed(self.seed + epoch)
        return torch.randperm(size, generator=generator).tolist()

    @staticmethod
    def _check_skip(num_samples: int) -> int:
        if num_samples < 0:
            raise ValueError(f"num_samples to skip must not be negative, got {num_samples}.")
        return num_samples


@DATA_SAMPLERS.register_module()
class KeyedInfiniteSampler(KeyedSampler):
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
class KeyedDefaultSampler(KeyedSampler):
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
