"""How many iterations pass between two decisions of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PAPER: dict[str, dict[str, int]] = {
    # VisDA-17: ceil(152397 / 32) iterations, the last small batch is used.
    "visda": dict(min_iters=10, growth=20, iters_per_epoch=4763),
    "gta5": dict(min_iters=20, growth=20, iters_per_epoch=2000),
}
_ALLOWED = "an integer >= 1, dict(min_iters=20, growth=20, iters_per_epoch=2000), 'visda' or 'gta5'"


class WindowRule:
    """Length of the windows between decisions (ASG's rule, or a fixed length).

    With E iterations per epoch, c of them done in this epoch and p done in all earlier epochs, a
    window has ``min(max(min_iters, c + p // growth), E - c)`` iterations. So windows double
    within the first epoch, never cross the end of one, and start again from ``p // growth`` in each
    later one. The very first has ``min(min_iters, E)``.

    Args:
        window: An integer for a fixed length, which then ignores epochs; a dict of ``min_iters``,
            ``growth`` and ``iters_per_epoch`` (the last one only needed where the training loop
            has no epochs; it wins over the loop's own length); ``'visda'`` or ``'gta5'`` for the
            paper's (10 or 20 iterations at least, growth 20; 4,763 or 2,000 iterations per epoch
            where the training loop has no epochs, else the loop's own).

    Raises:
        ValueError: A length or number below 1, or an unknown name or key.
        TypeError: Another kind of value.
    """

    def __init__(self, window: int | str | Mapping[str, Any]) -> None:
        self.fixed: int | None = None
        self.min_iters = self.growth = 0
        self.iters_per_epoch: int | None = None
        paper_iters = None
        if isinstance(window, str):
            if window not in _PAPER:
                raise ValueError(f"`window` is {window!r}; allowed: {_ALLOWED}.")
            window = dict(_PAPER[window])
            paper_iters = window.pop("iters_per_epoch")
        self._paper_iters = paper_iters
        if isinstance(window, bool) or not isinstance(window, (int, Mapping)):
            raise TypeError(f"`window` is {window!r}; allowed: {_ALLOWED}.")
        if isinstance(window, int):
            self.fixed = _at_least_one("window", window)
            return
        keys = set(window)
        if keys - {"min_iters", "growth", "iters_per_epoch"} or "min_iters" not in keys:
            raise ValueError(f"`window` has the keys {sorted(keys)}; allowed: {_ALLOWED}.")
        self.min_iters = _at_least_one("window.min_iters", window["min_iters"])
        self.growth = _at_least_one("window.growth", window.get("growth", 20))
        if window.get("iters_per_epoch") is not None:
            self.iters_per_epoch = _at_least_one(
                "window.iters_per_epoch", window["iters_per_epoch"]
            )

    def bind(self, loop_iters_per_epoch: int | None) -> None:
        """Take the epoch's length from the training loop, where the rule was given none.

        Args:
            loop_iters_per_epoch: Length of an epoch-based loop's dataloader, ``None`` for a loop
                without epochs.

        Raises:
            ValueError: Neither of them knows.
        """
        if self.fixed is None and self.iters_per_epoch is None:
            loop_iters_per_epoch = loop_iters_per_epoch or self._paper_iters
            if loop_iters_per_epoch is None:
                raise ValueError(
                    "`window` needs `iters_per_epoch` in a training loop without epochs: "
                    "window=dict(min_iters=..., growth=..., iters_per_epoch=...), or an integer."
                )
            self.iters_per_epoch = _at_least_one("window.iters_per_epoch", loop_iters_per_epoch)

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
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"`{name}` must be an integer >= 1, got {value!r}.")
    if value < 1:
        raise ValueError(f"`{name}` must be an integer >= 1, got {value!r}.")
    return value
