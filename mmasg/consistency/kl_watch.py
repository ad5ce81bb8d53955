"""Watch how the distance from the ImageNet teacher develops, and judge it: no mmengine here.

A student starts equal to its teacher, so the distance begins at 0, rises while the rates warm up
and a while longer, and then, with the loss on and the rates going down, falls. Suspicious is one
that still rises late, and a KL that stays above what a student would have that sees no image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

import torch
from torch import Tensor

#: A run is looked at in so many windows, of at least so many iterations: means over ten batches
#: vary by 10 to 20%, single batches by half.
WINDOWS = 50
SHORTEST_WINDOW = 10
#: Windows needed behind the warm-up before a rise is judged: 40% of a run. Healthy runs have their
#: peak within the first quarter.
WINDOWS_FOR_A_RISE = 20
#: A rise: the last fifth of the windows lies above the middle (30 to 60%) by this factor. Growth
#: like the square root of time (1.41) stays below it, growth in proportion to time (2) does not.
RISE = 1.75
#: ... and above this share of the KL of a constant prediction (as long as that is not known, above
#: so many nats, a tenth of the miniature's): from nothing to little is no harm.
LEAST_SHARE = 0.1
LEAST_NATS = 0.05
#: Windows on end above a constant prediction's KL: the peak behind a warm-up is shorter.
WINDOWS_TOO_HIGH = 5
#: A baseline's log holds single batches; it is compared over so many windows, and at least as many
#: of them, whose mean varies by 15%.
WINDOWS_OF_A_BASELINE = 10
ABOVE_BASELINE = 1.25
#: Images after which the mean of the teacher's predictions is taken for known.
IMAGES_FOR_A_MEAN = 100
#: Windows that an arrow looks at, and how many of their pairs have to go up (of 15).
WINDOWS_OF_AN_ARROW = 6
PAIRS_OF_AN_ARROW = 13
#: Rates count as warmed up from this share of the highest so far.
WARMED_UP = 0.9


class KLWatch:
    """Means of the distance over windows of a run, and what is wrong with them.

    Args:
        max_iters: Iterations of the whole run.
        least: Below it a rise does no harm, as long as a constant prediction's KL is not known.
    """

    def __init__(self, max_iters: int, least: float = 0.0) -> None:
        self.least = least
        self.length = max(SHORTEST_WINDOW, math.ceil(max_iters / WINDOWS))
        #: Of every finished window: mean distance, and the rate at its end.
        self.levels: list[float] = []
        self.rates: list[float] = []
        #: Share of the weighted loss in the whole, in the last window.
        self.share = 0.0
        self._count = 0
        self._sums: Tensor | None = None  # distance, weighted loss, whole loss, finite iterations
        self._mean: dict[str, Any] = dict(images=0, prediction=None, entropy=0.0)

    def see_teacher(self, logits: Tensor) -> None:
        """Add the teacher's predictions for a batch, logits (N, C)."""
        log_p = logits.detach().float().log_softmax(1)
        p = log_p.exp()
        row = torch.cat([p.sum(0), -(p * log_p).sum()[None]])
        known = self._mean["prediction"]
        self._mean["prediction"] = row if known is None else known.to(row.device) + row
        self._mean["images"] += len(logits)

    def add(self, distance: Any, weighted: Any, whole: Any, rate: float) -> bool:
        """Add an iteration; sums stay on the device until the window is full.

        Args:
            distance: Raw distance, scalar.
            weighted: What of it is in the objective; 0 where its weight is 0.
            whole: The whole objective.
            rate: The scheduled learning rate, of any scale.

        Returns:
            Whether the iteration completed a window.
        """
        values = [torch.as_tensor(v).detach().float() for v in (distance, weighted, whole)]
        row = torch.stack([v.to(values[0].device) for v in values])
        finite = row.isfinite().all()  # a step that mixed precision skips
        row = torch.cat([torch.where(finite, row, 0), finite[None].float()])
        self._sums = row if self._sums is None else self._sums.to(row.device) + row
        self._count += 1
        if self._count < self.length:
            return False
        distances, weighteds, wholes, finites = self._sums.tolist()
        self._sums, self._count = None, 0
        if finites:
            self.levels.append(distances / finites)
            self.rates.append(rate)
            self.share = weighteds / wholes if wholes > 0 else 0.0
        return bool(finites)

    @property
    def constant_kl(self) -> float | None:
        """KL of the best prediction that is the same for every image; None: not known yet.

        It is the mutual information of image and teacher's prediction,
        ``H(mean p_t) - mean H(p_t)``. A student above it holds nothing of what the teacher sees.
        """
        images = self._mean["images"]
        if images < IMAGES_FOR_A_MEAN:
            return None
        *p, entropy = (self._mean["prediction"].double() / images).tolist()
        return -sum(x * math.log(x) for x in p if x > 0) - entropy

    def behind_warm_up(self) -> list[float]:
        """Return the windows' distances from where the rates no longer climb."""
        top = max(self.rates, default=0.0)
        start = next((i for i, rate in enumerate(self.rates) if rate >= WARMED_UP * top), 0)
        return self.levels[start:]

    def rise(self) -> tuple[float, float] | None:
        """Return the level in the middle and at the end of the run so far, if it rises late."""
        levels = self.behind_warm_up()
        n = len(levels)
        if n < WINDOWS_FOR_A_RISE:
            return None
        middle = median(levels[int(0.3 * n) : int(0.6 * n)])
        end = levels[int(0.8 * n) :]
        constant = self.constant_kl
        least = self.least if constant is None else LEAST_SHARE * constant
        rises = median(end) > max(RISE * middle, least) and min(end) > middle
        return (middle, median(end)) if rises else None

    def too_high(self) -> tuple[float, float] | None:
        """Return a constant prediction's KL and the level now, if that stays above it."""
        last = self.behind_warm_up()[-WINDOWS_TOO_HIGH:]
        constant = self.constant_kl
        if constant is None or len(last) < WINDOWS_TOO_HIGH or min(last) <= constant:
            return None
        return constant, sum(last) / len(last)

    def above_baseline(
        self, baseline: Sequence[tuple[int, float]], done: int
    ) -> tuple[float, float] | None:
        """Return the baseline's level and this run's over the last windows, if this is higher.

        Args:
            baseline: Steps, and the distances that a run without the loss logged at them.
            done: Iterations of this run.
        """
        levels = self.behind_warm_up()[-WINDOWS_OF_A_BASELINE:]
        begin = done - WINDOWS_OF_A_BASELINE * self.length
        theirs = [value for step, value in baseline if begin < step <= done]
        if min(len(levels), len(theirs)) < WINDOWS_OF_A_BASELINE:
            return None
        level, other = sum(levels) / len(levels), sum(theirs) / len(theirs)
        return (other, level) if level > ABOVE_BASELINE * other else None

    def goes_up(self) -> bool:
        """Whether the last windows go up, one with another: what an arrow shows."""
        return goes_up(self.levels[-WINDOWS_OF_AN_ARROW:])

    def state_dict(self) -> dict[str, Any]:
        """Return all that :meth:`load_state_dict` needs to go on in the middle of a window."""
        names = ("length", "levels", "rates", "share", "_count", "_sums", "_mean")
        state = {name.lstrip("_"): getattr(self, name) for name in names}
        mean = {k: _on_cpu(v) for k, v in self._mean.items()}
        return state | dict(
            sums=_on_cpu(self._sums), mean=mean, levels=list(self.levels), rates=list(self.rates)
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.length, self.share, self._count = state["length"], state["share"], state["count"]
        self.levels, self.rates = list(state["levels"]), list(state["rates"])
        self._sums, self._mean = state["sums"], dict(state["mean"])


def goes_up(levels: Sequence[float]) -> bool:
    """Whether nearly all pairs of six levels are in rising order."""
    pairs = sum(a < b for a, b in combinations(levels, 2))
    return len(levels) == WINDOWS_OF_AN_ARROW and pairs >= PAIRS_OF_AN_ARROW


def _on_cpu(value: Any) -> Any:
    return value.cpu() if isinstance(value, Tensor) else value
