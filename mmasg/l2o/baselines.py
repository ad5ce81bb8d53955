"""A running baseline for REINFORCE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class MovingAverageBaseline:
    """Exponential moving average of the returns, and of their spread.

    Losses fall fast at the beginning of a training and slowly later, so the n-th decision of every
    episode has, by default, an average of its own.

    Args:
        momentum: Weight of the old average in [0, 1). Default 0.9. The first values are averaged
            with equal weights.
        per_decision: One average for each place in the episode. Default ``True``.
        normalise: Also divide by the running standard deviation around the averages, one for all
            places, since each place alone is seen too rarely. Default ``False``.
    """

    def __init__(
        self, momentum: float = 0.9, per_decision: bool = True, normalise: bool = False
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"baseline.momentum must be in [0, 1), got {momentum}.")
        self.momentum = momentum
        self.per_decision = per_decision
        self.normalise = normalise
        self.averages: dict[int, list[float]] = {}  # place -> [number of values, mean]
        self.variance = [0.0, 0.0]  # [number of values, mean square deviation]

    def __call__(self, returns: Tensor, first: int) -> tuple[Tensor, Tensor | None]:
        """Baselines for a rollout, from earlier rollouts alone; then take its returns in.

        Args:
            returns: (T,).
            first: Place of the rollout's first decision in its episode, from 0.

        Returns:
            Baselines (T,), and scales (T,) with ``normalise``. A place never seen before has its
            own return as its baseline, so that it teaches nothing yet.
        """
        scale = None
        if self.normalise:
            count, variance = self.variance
            scale = torch.full_like(returns, max(variance**0.5, 1e-8) if count else 1.0)
        baselines = []
        for t, value in enumerate(returns.tolist()):
            average = self.averages.setdefault(first + t if self.per_decision else 0, [0, 0.0])
            count, mean = average
            baselines.append(mean if count else value)
            if count:
                self._update(self.variance, (value - mean) ** 2)
            self._update(average, value)
        return torch.tensor(baselines, dtype=returns.dtype), scale

    def _update(self, average: list[float], value: float) -> None:
        weight = max(1 - self.momentum, 1 / (average[0] + 1))
        average[0] += 1
        average[1] += weight * (value - average[1])

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return dict(
            averages={place: list(values) for place, values in self.averages.items()},
            variance=list(self.variance),
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up :meth:`state_dict`."""
        self.averages = {int(place): list(values) for place, values in state["averages"].items()}
        self.variance = list(state["variance"])
