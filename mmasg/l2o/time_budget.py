"""Ends a policy's training when its time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

_KEY = "time_budget"


class TimeBudgetHook(Hook):
    """Stop before an update that would not fit, and say after each how much time is left.

    What was used travels with the checkpoint: a run that goes on has the rest of the time.

    Args:
        seconds: The time for everything.
        reserve: How much of it is kept for what comes after, as a multiple of an update's time.
        settings: What decides about the result, for a resumed run to be compared with.
        say: Called with a line after each update.
    """

    def __init__(
        self,
        seconds: float,
        reserve: float = 0.0,
        settings: Mapping[str, Any] | None = None,
        say: Callable[[str], object] = print,
    ) -> None:
        self.seconds, self.reserve = seconds, reserve
        self._settings, self._say = dict(settings or {}), say
        self._begun = 0.0
        self._before = 0.0  # used by runs that were interrupted

    @property
    def used(self) -> float:
        """Seconds used so far, those before an interruption included."""
        return self._before + (time.monotonic() - self._begun if self._begun else 0.0)

    def trained_with(self) -> dict[str, Any]:
        """What the run was asked for, for a resume to compare."""
        return dict(self._settings)

    def before_train(self, runner: Runner) -> None:
        """Begin to count; nothing is done where the time was up before."""
        self._begun = time.monotonic()
        self._stop_if_late(runner, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Say how far it is, and stop where another update would take too long."""
        done, used = runner.iter + 1, self.used
        measured = {
            name: float(outputs[name])
            for name in ("reward", "advantage", "last_score")
            if name in (outputs or {})
        }
        values = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
        left = max(0.0, self.seconds - used) / 60
        self._say(
            f"update {done}: {values}; {used / 60:.1f} minutes used, {left:.1f} left "
            f"({used / done:.0f} s an update)"
        )
        self._stop_if_late(runner, done)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep what was used."""
        checkpoint[_KEY] = self.used

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take it up."""
        self._before = float(checkpoint.get(_KEY, 0.0))

    def _stop_if_late(self, runner: Runner, done: int) -> None:
        if done and self.used * (1 + (1 + self.reserve) / done) > self.seconds:
            runner.train_loop.stop_training = True  # type: ignore[union-attr]
