"""A policy acting in environments: episodes, rollouts, and how they go on after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log

from mmasg.errors import wrong

from .baselines import MovingAverageBaseline
from .environment import TrainingEnvironment
from .episode import EnvironmentStep
from .policy import LSTMPolicy, PolicyState
from .reinforce_loss import discounted_returns
from .rewards import earned

_MAX_EMPTY_EPISODES = 10


class RolloutCollector:
    """Collects what REINFORCE learns from (ASG, section 3.2).

    Episodes follow each other, each with an environment in turn and a seed of its own; rollouts
    are pieces of an episode of a fixed number of decisions, fewer at its end.

    :meth:`state_dict` holds the multipliers that the running episode has seen. A collector that
    takes it up trains the episode's windows once more with them, and goes on as if nothing had
    happened (bit for bit on a CPU with the same number of threads).

    Args:
        policy: Acts; sampled from, without gradients.
        environments: Whose episodes come in turn.
        reward: See :mod:`mmasg.l2o.rewards`.
        rollout_length: Decisions of a rollout.
        gamma: Discount, for the baseline's returns.
        baseline: A moving average, ``'value'`` or ``None``, see
            :class:`~mmasg.l2o.PolicyGradientLoop`.
        seed: Of the draws; an episode's seed is ``seed + 1 + its number over all processes``.
        rank: This process among ``world_size``; each has episodes of its own.
        world_size: Number of processes.
        on_episode: Called with a summary at the end of each episode.
    """

    def __init__(
        self,
        policy: LSTMPolicy,
        environments: Sequence[TrainingEnvironment],
        reward: Any,
        rollout_length: int = 5,
        gamma: float = 0.0,
        baseline: MovingAverageBaseline | str | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        on_episode: Callable[[dict[str, float]], None] = lambda summary: None,
    ) -> None:
        self.policy = policy
        self.environments = list(environments)
        self.reward = reward
        self.rollout_length = rollout_length
        self.gamma = gamma
        self.baseline = baseline
        self._moving_average = baseline if isinstance(baseline, MovingAverageBaseline) else None
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.on_episode = on_episode
        self.generator = torch.Generator().manual_seed(seed + 7919 * rank)
        self.episode = 0  # begun so far by this process
        self._environment: TrainingEnvironment | None = None
        self._window: EnvironmentStep | None = None
        self._policy_state: PolicyState | None = None
        self._taken: list[list[float]] = []  # multipliers of this episode
        self._losses: list[float] = []  # of its windows

    # -- acting --------------------------------------------------------------------------------

    def collect(self) -> tuple[dict[str, Any], dict[str, float]]:
        """Act for one rollout.

        Returns:
            Arguments of ``ReinforcePolicy.loss``, and values for the log.
        """
        if self._window is None:
            self._begin_episode()
        assert self._window is not None and self._environment is not None
        first, state = len(self._taken), self._policy_state
        observations, actions = [], []
        rewards: list[float] = []
        while len(rewards) < self.rollout_length and not self._window.done:
            before = self._window
            action, self._policy_state = self.policy.act(
                before.observation, self._policy_state, self.generator
            )
            after = self._train_window([self.policy.multipliers[i] for i in action])
            observations.append(before.observation)
            actions.append(action)
            rewards.append(earned(self.reward, before, after))
        rollout: dict[str, Any] = dict(
            observation=torch.cat(observations),
            actions=torch.tensor(actions),
            rewards=torch.tensor(rewards),
            state=state,
            gamma=self.gamma,
            baseline=self.baseline,
        )
        if self._moving_average is not None:
            returns = discounted_returns(rollout["rewards"], self.gamma)
            rollout["baseline"], rollout["scale"] = self._moving_average(returns, first)
        taken = [multiplier for row in self._taken[first:] for multiplier in row]
        measured = dict(
            mean_multiplier=sum(taken) / len(taken),
            window_task_loss=self._window.task_loss,
            episode=float(self.episode),
            decision=float(len(self._taken)),
        )
        if self._window.done:
            self._end_episode()
        return rollout, measured

    def close(self) -> None:
        """Let the environments' trainings go."""
        for environment in self.environments:
            environment.close()

    def _train_window(self, multipliers: list[float]) -> EnvironmentStep:
        assert self._environment is not None
        self._window = self._environment.step(multipliers)
        self._taken.append(multipliers)
        if not self._window.diverged:
            self._losses.append(self._window.task_loss)
        return self._window

    # -- episodes ------------------------------------------------------------------------------

    def _begin_episode(self) -> None:
        for _ in range(_MAX_EMPTY_EPISODES):
            self.episode += 1
            if not self._reset().done:
                return
        raise RuntimeError(
            "Ten episodes in a row were over after their first window: they diverge at once, "
            "or `episode_iters` is not longer than the first window."
        )

    def _reset(self) -> EnvironmentStep:
        """Begin the training of episode ``self.episode``, with a seed that no other one has."""
        number = (self.episode - 1) * self.world_size + self.rank
        self._environment = self.environments[number % len(self.environments)]
        self._window = self._environment.reset(self.seed + 1 + number)
        found = self._environment.group_names
        if len(found) != self.policy.num_groups:
            allowed = f"{len(found)}, as the environment's model has the layer groups {found}"
            raise ValueError(wrong("model.num_groups", self.policy.num_groups, allowed))
        self._policy_state, self._taken = None, []
        self._losses = [self._window.task_loss]
        return self._window

    def _end_episode(self) -> None:
        assert self._window is not None
        if self._window.diverged:
            print_log(
                f"Episode {self.episode} diverged (non-finite loss or weights) in window "
                f"{len(self._taken)}: it ends with the lowest reward, {self.reward.lowest}.",
                logger="current",
                level=30,
            )
        self.on_episode(
            dict(
                number=self.episode,
                windows=len(self._losses),
                first_loss=self._losses[0],
                mean_loss=sum(self._losses) / len(self._losses),
                last_loss=self._losses[-1],
                diverged=float(self._window.diverged),
            )
        )
        self._window = None

    # -- interruptions -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs, of tensors and plain values."""
        running, moving = self._window is not None, self._moving_average
        return dict(
            episode=self.episode,
            generator=self.generator.get_state(),
            taken=list(self._taken) if running else None,
            policy_state=self._policy_state,
            task_loss=self._window.task_loss if self._window is not None else None,
            moving_average=moving.state_dict() if moving is not None else None,
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken; trains a begun episode up to there again."""
        self.episode = state["episode"]
        self.generator.set_state(state["generator"].cpu())
        average = state["moving_average"]
        if self._moving_average is not None and average is not None:
            self._moving_average.load_state_dict(average)
        self._window = None
        if state["taken"] is None:
            return
        taken: list[list[float]] = state["taken"]
        print_log(
            f"Training the first {len(taken) + 1} windows of episode {self.episode} once more",
            logger="current",
        )
        self._reset()
        for multipliers in taken:
            self._train_window(multipliers)
        assert self._window is not None
        self._policy_state = state["policy_state"]
        if self._window.task_loss != state["task_loss"]:
            print_log(
                f"The window's task loss was {state['task_loss']:.8g} and is "
                f"{self._window.task_loss:.8g} now: another machine, number of threads or "
                "version. The training goes on, but not to the same bits.",
                logger="current",
                level=30,
            )
