"""Rates that hold for the optimizer's step alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from torch.optim import Optimizer

Change = Callable[[Optimizer], None]


class StepRates:
    """Changes every ``param_group['lr']`` just before ``optimizer.step`` and puts it back after.

    The schedule's rate stays in ``param_group['lr']``, where schedulers read and write it, so a
    change never compounds. Clipping, gradient scalers and accumulation need no care: torch calls
    the hooks exactly when weights are about to change. Get the one of an optimizer by :meth:`of`:
    several parts then act one after another, in a fixed order, and one of them restores.
    """

    _of: WeakKeyDictionary[Optimizer, StepRates] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._changes: list[tuple[int, Change]] = []
        self._scheduled: list[Any] | None = None
        self._handles: list[Any] = []
        self._num_entries = 0

    @classmethod
    def of(cls, optimizer: Optimizer) -> StepRates:
        """Return the one object that changes this optimizer's rates."""
        return cls._of.setdefault(optimizer, cls())

    def add(self, optimizer: Optimizer, change: Change, order: int = 0) -> None:
        """Call ``change(optimizer)`` before every step, after those of a lower ``order``."""
        if not self._handles:
            self._num_entries = len(optimizer.param_groups)
            self._handles = [
                optimizer.register_step_pre_hook(self._before_step),
                optimizer.register_step_post_hook(self._after_step),
            ]
        self._changes = sorted([*self._changes, (order, change)], key=lambda pair: pair[0])

    def remove(self, change: Change) -> None:
        """Stop calling ``change``; with the last one gone the optimizer is as it was."""
        self._changes = [pair for pair in self._changes if pair[1] != change]
        if not self._changes:
            for handle in self._handles:
                handle.remove()
            self._handles = []

    def change(self, optimizer: Optimizer) -> None:
        """Make all changes, in their order; called just before every step."""
        for _, change in self._changes:
            change(optimizer)

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._scheduled is not None:
            # The step before raised between the two hooks: its rates are still changed.
            self._restore(optimizer)
        groups = optimizer.param_groups
        if len(groups) != self._num_entries:
            raise RuntimeError(
                f"The optimizer had {self._num_entries} parameter groups when the training began "
                f"and has {len(groups)} now. Layer-wise rates need fixed groups: freeze or "
                "unfreeze parameters before the training, and drop the scheduler or hook that "
                "adds or removes groups."
            )
        self._scheduled = [group["lr"] for group in groups]
        self.change(optimizer)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._restore(optimizer)

    def _restore(self, optimizer: Optimizer) -> None:
        assert self._scheduled is not None
        for group, rate in zip(optimizer.param_groups, self._scheduled, strict=True):
            group["lr"] = rate
        self._scheduled = None
