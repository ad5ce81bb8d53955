"""Compare controllers of layer-wise rates on the same held-out episodes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from .episode import EnvironmentStep
from .episode_pool import Controller, EpisodeJob, EpisodePool
from .group_policy import GroupPolicy
from .observation import SCALARS
from .policy import LSTMPolicy
from .rewards import episode_rewards

#: A maker starts a controller anew, for one episode.
ControllerMaker = Callable[[torch.Generator], Controller]

#: Added to the seeds: a policy's training counts its episodes' seeds from its own seed + 1.
HELD_OUT = 1_000_000


def sampled(policy: LSTMPolicy) -> ControllerMaker:
    """Sample from a policy, as a training does."""

    def make(generator: torch.Generator) -> Controller:
        state = None

        def act(observation: Any) -> list[float]:
            nonlocal state
            actions, state = policy.act(observation, state, generator)
            return [policy.multipliers[i] for i in actions]

        return act

    return make


def decided(policy: GroupPolicy, mode: str = "mean") -> ControllerMaker:
    """Ask a policy of all groups, as :class:`~mmasg.l2o.GroupPolicyHook` does."""

    def make(generator: torch.Generator) -> Controller:
        state = None

        def act(observation: Any) -> list[float]:
            nonlocal state
            groups, run = observation
            multipliers, state = policy.decide(groups, run, state, mode, generator)
            return multipliers

        return act

    return make


def uniform(multipliers: Sequence[float]) -> ControllerMaker:
    """Draw every group's multiplier anew for each window."""

    def make(generator: torch.Generator) -> Controller:
        def act(observation: Any) -> list[float]:
            count = num_groups(observation)
            draws = torch.randint(len(multipliers), (count,), generator=generator)
            return [multipliers[i] for i in draws.tolist()]

        return act

    return make


def constant(body: float, head: float | None = None) -> ControllerMaker:
    """Always the same multiplier, with another one for the last group where ``head`` is given."""

    def act(observation: Any) -> list[float]:
        count = num_groups(observation)
        return [body] * (count - 1) + [body if head is None else head]

    return lambda generator: act


def num_groups(observation: Any) -> int:
    """Number of layer groups of which an environment shows something."""
    if isinstance(observation, tuple):
        return observation[0].shape[1]
    return observation.shape[1] - len(SCALARS)


def mean_reward(windows: Sequence[EnvironmentStep], reward: Any) -> float:
    """Mean reward of an episode's decisions, as a policy's training logs it."""
    return statistics.fmean(episode_rewards(reward, windows))


def evaluate(
    pool: EpisodePool,
    controllers: Mapping[str, ControllerMaker],
    reward: Any,
    episodes: int,
    seed: int = 0,
    on_episode: Callable[[int, str, list[float]], None] = lambda number, name, values: None,
) -> dict[str, Any]:
    """Run every controller on the same held-out episodes.

    Args:
        pool: Runs them.
        controllers: By name; the others' rewards are compared with the first one's.
        reward: A reward, see :mod:`mmasg.l2o.rewards`.
        episodes: Number of episodes.
        seed: Shifts the held-out seeds.
        on_episode: Called after each with its number, the controller's name and the windows'
            scores, or losses where the environment has no score.

    Returns:
        ``losses`` (and ``scores`` where there are): for each controller those of each episode's
        windows. ``summary``: for each the mean over episodes, and its standard error, of the mean
        ``reward`` of the decisions, of the ``mean_loss`` of the windows after the first one (which
        is at multiplier 1 for all), of the last window's ``last_loss`` and ``last_score``, and of
        ``advantage``, the first controller's reward minus this one's, taken episode by episode;
        ``interval`` is the latter's 95% confidence interval.
    """
    numbers = [HELD_OUT + seed + episode for episode in range(episodes)]
    order = [(episode, name) for episode in range(episodes) for name in controllers]
    jobs = [
        EpisodeJob(
            numbers[episode], controllers[name](torch.Generator().manual_seed(numbers[episode]))
        )
        for episode, name in order
    ]
    losses: dict[str, list[list[float]]] = {name: [] for name in controllers}
    scores: dict[str, list[list[float]]] = {name: [] for name in controllers}
    rewards: dict[str, list[float]] = {name: [] for name in controllers}
    for (episode, name), windows in zip(order, pool.map(jobs), strict=True):
        losses[name].append([window.task_loss for window in windows])
        rewards[name].append(mean_reward(windows, reward))
        scored = [window.score for window in windows if window.score is not None]
        if scored:
            scores[name].append(scored)
        on_episode(episode, name, scored or losses[name][-1])
    first = next(iter(rewards.values()))
    summary = {}
    for name, own in rewards.items():
        advantages = [a - b for a, b in zip(first, own, strict=True)]
        row: dict[str, Any] = dict(
            reward=mean_and_error(own),
            advantage=mean_and_error(advantages),
            interval=interval(advantages),
            mean_loss=mean_and_error([statistics.fmean(run[1:]) for run in losses[name]]),
            last_loss=mean_and_error([run[-1] for run in losses[name]]),
        )
        if scores[name]:
            row["last_score"] = mean_and_error([run[-1] for run in scores[name]])
        summary[name] = row
    found = dict(episodes=episodes, summary=summary, losses=losses)
    return {**found, "scores": scores} if any(scores.values()) else found


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error (NaN for a single value)."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of the mean by Student's t (NaN for a single value)."""
    mean, error = mean_and_error(values)
    if len(values) < 2:
        return float("nan"), float("nan")
    width = t_quantile((1 + level) / 2, len(values) - 1) * error
    return mean - width, mean + width


def t_quantile(p: float, freedom: int) -> float:
    """Quantile of Student's t, by Cornish and Fisher's expansion around the normal's.

    Good to 0.2% from 3 degrees of freedom on (Abramowitz and Stegun, 26.7.5).

    Args:
        p: Between 0 and 1.
        freedom: Degrees of freedom, 1 at least.
    """
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    z = statistics.NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (i + 1) for i, term in enumerate(terms))
