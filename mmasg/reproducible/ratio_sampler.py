"""A keyed sampler that keeps the ratio of several data sets in every batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Sized
from typing import Any

from mmengine.registry import DATA_SAMPLERS

from mmasg.errors import wrong

from .keyed_index import KeyedIndex
from .keyed_samplers import KeyedInfiniteSampler


@DATA_SAMPLERS.register_module()
class KeyedRatioSampler(KeyedInfiniteSampler):
    """Endless keyed sampler over a ``ConcatDataset`` that deals its parts by turns.

    With ``ratio=(1, 1)`` the samples of all ranks are, in turn, of the first and of the second
    data set; with ``(3, 1)`` every fourth is of the second. A total batch that is a multiple of
    the ratio's sum therefore holds the parts in exactly that ratio. Each part is gone through in
    an order of its own, pass after pass, and every draw has a key of its own, so a resumed run
    sees the samples and augmentations that the uninterrupted run would have seen.

    Args:
        dataset: A ``ConcatDataset``, or ``KeyedRandomnessDataset`` around one.
        ratio: Samples of each part in a turn.
        shuffle: Whether each pass over a part is in random order. Defaults to True.
        seed: As of :class:`KeyedInfiniteSampler`.

    Raises:
        ValueError: The data set has no parts, a part is empty, or the ratio does not fit.
    """

    def __init__(
        self,
        dataset: Sized,
        ratio: Sequence[int] = (1, 1),
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(dataset, shuffle, seed)
        key = "train_dataloader.sampler.ratio"
        sizes = [len(part) for part in self._parts(dataset)]
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in ratio)
        if len(ratio) != len(sizes) or not whole:
            raise ValueError(wrong(key, tuple(ratio), f"{len(sizes)} whole numbers above 0"))
        if 0 in sizes:
            raise ValueError(f"{key}: part {sizes.index(0)} of the data set is empty.")
        self._sizes = sizes
        self._starts = [sum(sizes[:part]) for part in range(len(sizes))]
        #: The part of every place in a turn, and how many of that part come before it there.
        self._turn = [(part, n) for part, count in enumerate(ratio) for n in range(count)]
        self._ratio = list(ratio)
        self._orders: dict[int, tuple[int, list[int]]] = {}

    def __iter__(self) -> Iterator[KeyedIndex]:
        """Yield this rank's indices for ever."""
        first = self.rank + self._skipped * self.world_size
        for position in itertools.count(first, self.world_size):
            turn, place = divmod(position, len(self._turn))
            part, within = self._turn[place]
            index = self._starts[part] + self._draw(part, turn * self._ratio[part] + within)
            # The position itself is the key: no two draws share one, of whatever part.
            yield KeyedIndex(index, (self.seed, part, position))

    def _parts(self, dataset: Any) -> Sequence[Sized]:
        """The data sets that are dealt by turns."""
        joined = getattr(dataset, "dataset", dataset)
        parts = getattr(joined, "datasets", None)
        if not parts:
            raise ValueError(
                "train_dataloader.sampler.ratio: the data set is a "
                f"{type(joined).__name__}, which has no parts. Join the "
                "data sets: dataset=dict(type='ConcatDataset', datasets=[...])."
            )
        return parts

    def _draw(self, part: int, number: int) -> int:
        """Index within a part of its ``number``-th draw; for subclasses."""
        epoch, drawn = divmod(number, self._sizes[part])
        return self._part_order(part, epoch)[drawn]

    def _part_order(self, part: int, epoch: int) -> list[int]:
        """Indices within a part in the order of one pass, kept until the next pass begins."""
        known = self._orders.get(part)
        if known is None or known[0] != epoch:
            order = self._order(epoch + 1_000_003 * part, self._sizes[part])
            known = self._orders[part] = (epoch, order)
        return known[1]
