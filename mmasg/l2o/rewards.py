"""What a decision earns, as a function of the windows' mean task loss.

The paper does not say which reward trained its policies, nor does its reference implementation;
these are this project's choices. Each is a callable of two floats with the attribute ``lowest``,
which is what a diverged training earns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmengine.registry import TASK_UTILS

from mmasg.errors import wrong


@TASK_UTILS.register_module()
class LossDecreaseReward:
    """Decrease of the window's mean loss against the window before (default).

    Args:
        bound: Rewards are clipped to [-bound, bound]. Default 5.
    """

    def __init__(self, bound: float = 5.0) -> None:
        self.bound = _positive(bound)
        self.lowest = -self.bound

    def __call__(self, previous_loss: float, loss: float) -> float:
        """Reward of a window from the mean losses of the window before and its own."""
        return max(-self.bound, min(self.bound, previous_loss - loss))


@TASK_UTILS.register_module()
class ExpLossReward:
    """``exp(-mean loss)``, in (0, 1], as the reference run's name suggests."""

    lowest = 0.0

    def __call__(self, previous_loss: float, loss: float) -> float:
        """Reward of a window from the mean losses of the window before and its own."""
        return math.exp(min(-loss, 0.0))


@TASK_UTILS.register_module()
class NegativeLossReward:
    """``-mean loss``.

    Args:
        bound: Rewards are at least -bound. Default 20.
    """

    def __init__(self, bound: float = 20.0) -> None:
        self.bound = _positive(bound)
        self.lowest = -self.bound

    def __call__(self, previous_loss: float, loss: float) -> float:
        """Reward of a window from the mean losses of the window before and its own."""
        return max(-self.bound, -loss)


def earned(reward: Any, before: float, after: float, diverged: bool) -> float:
    """What a decision earns between two windows' mean losses; the lowest where it diverged."""
    return reward.lowest if diverged else reward(before, after)


def build_reward(config: Mapping[str, Any] | None) -> Any:
    """Build a reward from its config; ``None`` gives the default, :class:`LossDecreaseReward`."""
    return TASK_UTILS.build(dict(config or dict(type="LossDecreaseReward")))


def _positive(bound: float) -> float:
    if not bound > 0:
        raise ValueError(wrong("reward.bound", bound, "a number above 0"))
    return float(bound)
