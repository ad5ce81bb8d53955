"""How many iterations pass between two decisions of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmasg.errors import wrong

_PAPER: dict[str, dict[str, int]] = {
    # VisDA-17: ceil(152397 / 32) iterations, the last small batch is used.
    "visda": dict(min_iters=10, iters_per_epoch=4763),
    "gta5": dict(min_iters=20, iters_per_epoch=2000),
}
_ALLOWED = (
    "an integer >= 1, dict(windows=10), dict(min_iters=20, growth=20, iters_per_epoch=2000), "
    "'visda' or 'gta5'"
)
_KEYS = ("min_iters", "growth", "iters_per_epoch")


class WindowRule:
    """Length of the windows between decisions (ASG's rule, or a fixed length).

    With E iterations per epoch, c of them done in this epoch and p done in all earlier epochs, a
    window has ``min(max(min_iters, c + p // growth), E - c)`` iterations. So windows double
    within the first epoch, never cross the end of one, and start again from ``p // growth`` in each
    later one. The very first has ``min(min_iters, E)``.

    Args:
        window: An integer for a fixed length, which then ignores epochs; ``dict(windows=10)`` for
            so many windows of one length in the whole run, however long it is; a dict of
            ``min_iters``, ``growth`` (default 20) and ``iters_per_epoch``; ``'visda'`` or
            ``'gta5'`` for the paper's (10 or 20 iterations at least, growth 20; 4,763 or 2,000
            iterations per epoch where the training loop has no epochs). ``iters_per_epoch`` may be
            left out: a loop with epochs knows their length, and a loop without is one epoch as a
            whole.

    Raises:
        ValueError: A length or number below 1, or an unknown name or key.
        TypeError: Another kind of value.
    """

    def __init__(self, window: int | str | Mapping[str, Any]) -> None:
        self.fixed: int | None = None
        self.windows: int | None = None
        self.min_iters = self.growth = 0
        self.iters_per_epoch: int | None = None
        self._paper_iters: int | None = None
        if isinstance(window, str):
            if window not in _PAPER:
                raise ValueError(wrong("window", window, _ALLOWED))
            self._paper_iters = _PAPER[window]["iters_per_epoch"]
            window = dict(min_iters=_PAPER[window]["min_iters"])
        if isinstance(window, bool) or not isinstance(window, (int, Mapping)):
            raise TypeError(wrong("window", window, _ALLOWED))
        if isinstance(window, int):
            self.fixed = _at_least_one("window", window)
            return
        if set(window) == {"windows"}:
            self.windows = _at_least_one("window.windows", window["windows"])
            return
        if set(window) - set(_KEYS) or "min_iters" not in window:
            raise ValueError(wrong("window", dict(window), _ALLOWED))
        self.min_iters = _at_least_one("window.min_iters", window["min_iters"])
        self.growth = _at_least_one("window.growth", window.get("growth", 20))
        given = window.get("iters_per_epoch")
        if given is not None:
            self.iters_per_epoch = _at_least_one("window.iters_per_epoch", given)

    def settings(self) -> dict[str, int | None]:
        """What was asked for: a run resumes with the same only."""
        if self.windows is not None:
            return dict(windows=self.windows)
        if self.fixed is not None:
            return dict(length=self.fixed)
        epoch = self.iters_per_epoch or self._paper_iters
        return dict(min_iters=self.min_iters, growth=self.growth, iters_per_epoch=epoch)

    def bind(self, loop_iters_per_epoch: int | None, max_iters: int) -> None:
        """Take the epoch's length from the training loop.

        Args:
            loop_iters_per_epoch: Length of an epoch-based loop's dataloader, ``None`` for a loop
                without epochs.
            max_iters: Iterations of the whole run.

        Raises:
            ValueError: The rule was given another length than the loop's epochs have.
        """
        if self.fixed is not None:
            return
        if self.windows is not None:
            self.fixed = -(-max_iters // self.windows)
            return
        if loop_iters_per_epoch and self.iters_per_epoch not in (None, loop_iters_per_epoch):
            allowed = f"{loop_iters_per_epoch}, the length of the training loop's epochs"
            remedy = "Leave it out: the loop knows it."
            raise ValueError(wrong("window.iters_per_epoch", self.iters_per_epoch, allowed, remedy))
        self.iters_per_epoch = (
            loop_iters_per_epoch or self.iters_per_epoch or self._paper_iters or max_iters
        )

    def length(self, done: int) -> int:
        """Length of the window that begins after ``done`` iterations of the run."""
        if self.fixed is not None:
            return self.fixed
        if self.iters_per_epoch is None:
            raise RuntimeError("WindowRule.bind must be called before WindowRule.length.")
        in_epoch = done % self.iters_per_epoch
        earlier = done - in_epoch
        wanted = max(self.min_iters, in_epoch + earlier // self.growth)
        return min(wanted, self.iters_per_epoch - in_epoch)


def _at_least_one(name: str, value: Any) -> int:
    integer = isinstance(value, int) and not isinstance(value, bool)
    if not integer or value < 1:
        raise (ValueError if integer else TypeError)(wrong(name, value, "an integer >= 1"))
    return value
