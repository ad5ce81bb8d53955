"""What a decision earns, as a function of the windows' mean task loss or held-out score.

The paper does not say which reward trained its policies, nor does its reference implementation;
these are this project's choices. Each is a callable of two floats, the value of the window before
and its own, with the attribute ``lowest``, which is what a diverged training earns. ``of`` names
what is rewarded, ``'task_loss'`` where it is left out, or ``'score'``; ``end_weight``, 0 where it
is left out, weighs what the whole episode has brought, which its last decision earns besides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


@TASK_UTILS.register_module()
class ScoreReward:
    """Improvement of the held-out score since the window before.

    The score that is meant is that of held-out source samples under photometric changes
    (:class:`~mmasg.l2o.HeldOutScore`, ``TrainingEnvironment.score``): it stands for another domain
    without a sample of it, which the loss on the source does not.

    Args:
        end_weight: Weight of the whole episode's improvement, earned at its end. Default 1.
    """

    of = "score"
    #: In points: as if half of everything had been lost.
    lowest = -50.0

    def __init__(self, end_weight: float = 1.0) -> None:
        if not end_weight >= 0:
            raise ValueError(wrong("reward.end_weight", end_weight, "a number of at least 0"))
        self.end_weight = float(end_weight)

    def __call__(self, previous_score: float, score: float) -> float:
        """Reward of a window from the scores of the window before and its own."""
        return score - previous_score


def earned(reward: Any, before: Any, after: Any) -> float:
    """What a decision earns between two windows; the lowest where it diverged.

    Args:
        reward: The reward.
        before: The window before, an :class:`~mmasg.l2o.EnvironmentStep`.
        after: The decision's own.

    Raises:
        ValueError: The reward is of a score, and the environment has none.
    """
    if after.diverged:
        return reward.lowest
    of = getattr(reward, "of", "task_loss")
    if getattr(before, of) is None:
        remedy = "Give TrainingEnvironment(score=dict(dataloader=..., evaluator=..., metric=...))."
        raise ValueError(
            wrong("train_cfg.reward", type(reward).__name__, "a reward of the task loss", remedy)
        )
    return reward(getattr(before, of), getattr(after, of))


def episode_rewards(reward: Any, windows: Sequence[Any]) -> list[float]:
    """What each decision of a whole episode earns.

    Args:
        reward: The reward.
        windows: T + 1 windows, the first of which nobody has decided about.

    Returns:
        T numbers.
    """
    rewards = [earned(reward, windows[i], windows[i + 1]) for i in range(len(windows) - 1)]
    end_weight = getattr(reward, "end_weight", 0.0)
    if rewards and end_weight:
        rewards[-1] += end_weight * earned(reward, windows[0], windows[-1])
    return rewards


def build_reward(config: Mapping[str, Any] | None) -> Any:
    """Build a reward from its config; ``None`` gives the default, :class:`LossDecreaseReward`."""
    return TASK_UTILS.build(dict(config or dict(type="LossDecreaseReward")))


def _positive(bound: float) -> float:
    if not bound > 0:
        raise ValueError(wrong("reward.bound", bound, "a number above 0"))
    return float(bound)
