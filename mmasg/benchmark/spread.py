"""Means over seeds, and differences to a reference arm seed by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .results import LAST, Result


@dataclass(frozen=True)
class Spread:
    """Numbers of several seeds.

    Args:
        values: ``{seed: value}``, without those that are not there.
    """

    values: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Mean over the seeds, NaN of none."""
        return statistics.fmean(self.values.values()) if self.values else math.nan

    @property
    def sd(self) -> float:
        """Sample standard deviation (n - 1), NaN of fewer than two."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else math.nan

    @property
    def standard_error(self) -> float:
        """Of the mean: the standard deviation through the root of n."""
        return self.sd / math.sqrt(len(self.values)) if self.values else math.nan

    def minus(self, other: Spread) -> Spread:
        """Differences, seed by seed, of the seeds that both have."""
        return Spread({s: v - other.values[s] for s, v in self.values.items() if s in other.values})

    def as_dict(self) -> dict:
        """All of it for a JSON file, which knows no NaN."""
        numbers = dict(mean=self.mean, sd=self.sd, standard_error=self.standard_error)
        return dict(
            seeds={str(seed): value for seed, value in self.values.items()},
            **{key: None if math.isnan(value) else value for key, value in numbers.items()},
        )


def spreads(
    results: Sequence[Result], metric: str, loader: str, point: str = LAST
) -> dict[str, Spread]:
    """Return one metric of one test over the seeds, by the arms' names.

    Raises:
        ValueError: The test has no such metric.
    """
    found: dict[str, dict[int, float]] = {}
    for result in sorted(results, key=lambda r: r.seed):
        value = result.value(metric, loader, point)
        seeds = found.setdefault(result.name, {})
        if not math.isnan(value):
            seeds[result.seed] = value
    order = dict.fromkeys(result.name for result in results)
    return {name: Spread(found[name]) for name in order}
