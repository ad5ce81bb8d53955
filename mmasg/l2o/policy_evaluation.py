"""Compare controllers of layer-wise rates on the same held-out episodes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .environment import TrainingEnvironment
from .policy import LSTMPolicy
from .rewards import earned

#: A controller maps an observation (1, 5 + G) to G multipliers; a maker starts one anew.
Controller = Callable[[Tensor], list[float]]
ControllerMaker = Callable[[torch.Generator], Controller]

#: Added to the seeds: a policy's training counts its episodes' seeds from its own seed + 1.
HELD_OUT = 1_000_000


def sampled(policy: LSTMPolicy) -> ControllerMaker:
    """Sample from a policy, as a training does."""

    def make(generator: torch.Generator) -> Controller:
        state = None

        def act(observation: Tensor) -> list[float]:
            nonlocal state
            actions, state = policy.act(observation, state, generator)
            return [policy.multipliers[i] for i in actions]

        return act

    return make


def uniform(num_groups: int, multipliers: Sequence[float]) -> ControllerMaker:
    """Draw every group's multiplier anew for each window."""

    def make(generator: torch.Generator) -> Controller:
        def act(observation: Tensor) -> list[float]:
            draws = torch.randint(len(multipliers), (num_groups,), generator=generator)
            return [multipliers[i] for i in draws.tolist()]

        return act

    return make


def constant(multipliers: Sequence[float]) -> ControllerMaker:
    """Always the same multipliers, one per group."""
    return lambda generator: lambda observation: list(multipliers)


def run_episode(
    environment: TrainingEnvironment, controller: Controller, seed: int
) -> tuple[list[float], bool]:
    """The windows' mean task losses of one episode, and whether it diverged."""
    window = environment.reset(seed)
    losses = [window.task_loss]
    while not window.done:
        window = environment.step(controller(window.observation))
        losses.append(window.task_loss)
    return losses, window.diverged


def mean_reward(losses: Sequence[float], diverged: bool, reward: Any) -> float:
    """Mean reward of an episode's decisions, as a policy's training logs it."""
    last = len(losses) - 1
    return statistics.fmean(
        earned(reward, losses[i - 1], losses[i], diverged and i == last)
        for i in range(1, len(losses))
    )


def evaluate(
    environments: Sequence[TrainingEnvironment],
    controllers: Mapping[str, ControllerMaker],
    reward: Any,
    episodes: int,
    seed: int = 0,
    on_episode: Callable[[int, str, list[float]], None] = lambda number, name, losses: None,
) -> dict[str, Any]:
    """Run every controller on the same held-out episodes.

    Args:
        environments: Taken in turn.
        controllers: By name; the others' rewards are compared with the first one's.
        reward: A reward, see :mod:`mmasg.l2o.rewards`.
        episodes: Number of episodes.
        seed: Shifts the held-out seeds.
        on_episode: Called after each with its number, the controller's name and the losses.

    Returns:
        ``losses``: for each controller those of each episode's windows. ``summary``: for each the
        mean over episodes, and its standard error, of the mean ``reward`` of the decisions, of the
        ``mean_loss`` of the windows after the first one (which is at multiplier 1 for all) and of
        the last window's ``last_loss``; and of ``advantage``, the first controller's reward minus
        this one's, taken episode by episode.
    """
    losses: dict[str, list[list[float]]] = {name: [] for name in controllers}
    rewards: dict[str, list[float]] = {name: [] for name in controllers}
    for episode in range(episodes):
        for name, make in controllers.items():
            number = HELD_OUT + seed + episode
            environment = environments[episode % len(environments)]
            generator = torch.Generator().manual_seed(number)
            found, diverged = run_episode(environment, make(generator), number)
            losses[name].append(found)
            rewards[name].append(mean_reward(found, diverged, reward))
            on_episode(episode, name, found)
    first = next(iter(rewards.values()))
    summary = {
        name: dict(
            reward=_mean_and_error(own),
            advantage=_mean_and_error([a - b for a, b in zip(first, own, strict=True)]),
            mean_loss=_mean_and_error([statistics.fmean(run[1:]) for run in losses[name]]),
            last_loss=_mean_and_error([run[-1] for run in losses[name]]),
        )
        for name, own in rewards.items()
    }
    return dict(episodes=episodes, summary=summary, losses=losses)


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error (NaN for a single value)."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error
