"""Training loops that stand still until they are told to do some steps."""

from __future__ import annotations

import contextlib
from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from .step_timer import StepTimer


class _Stepped:
    """``run`` prepares the training and returns; ``steps`` does some of it; ``end`` ends it."""

    runner: Any
    dataloader: Any
    _iter: int

    def run(self) -> Any:
        """Call the hooks that come before the first iteration."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        self._batches = iter(self.dataloader)
        return self.runner.model

    def steps(self, count: int, timer: StepTimer | None = None) -> None:
        """Train for some iterations.

        Args:
            count: How many.
            timer: Counts what loading takes as ``data``. Defaults to None.
        """
        for _ in range(count):
            with timer.part("data") if timer else contextlib.nullcontext():
                batch = self._next_batch()
            self._step(batch)

    def end(self) -> None:
        """Call the hooks that come after the training, and end the data workers."""
        self.runner.call_hook("after_train")
        del self._batches

    def _next_batch(self) -> Any:
        try:
            return next(self._batches)
        except StopIteration:
            self._batches = iter(self.dataloader)
            return next(self._batches)

    def _step(self, batch: Any) -> None:
        raise NotImplementedError


@LOOPS.register_module()
class SteppedIterLoop(_Stepped, IterBasedTrainLoop):
    """An ``IterBasedTrainLoop`` that is driven from outside, as a benchmark needs it."""

    def _step(self, batch: Any) -> None:
        self.run_iter(batch)


@LOOPS.register_module()
class SteppedEpochLoop(_Stepped, EpochBasedTrainLoop):
    """An ``EpochBasedTrainLoop`` that is driven from outside; all steps are of one epoch."""

    def _step(self, batch: Any) -> None:
        self.run_iter(self._iter, batch)
