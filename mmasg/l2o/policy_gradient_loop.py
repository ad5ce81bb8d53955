"""Training loop that trains a learning-rate policy by REINFORCE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import LOOPS
from mmengine.runner import Runner

from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .baselines import MovingAverageBaseline
from .environment import build_environments
from .policy_loop import PolicyLoop
from .reinforce_policy import ReinforcePolicy
from .rewards import build_reward
from .rollouts import RolloutCollector

_STATE_KEY = "policy_gradient_loop"


@LOOPS.register_module()
class PolicyGradientLoop(PolicyLoop):
    """Train a policy on trainings (ASG, section 3.2; reward and options are this project's).

    The runner's model is the policy (``ReinforcePolicy``). One iteration of this loop is a rollout
    of ``rollout_length`` decisions in an environment, and one update from it. An environment is a
    network's training, which begins anew, with a new seed, when its episode is over; the policy
    goes on. With several processes each has environments of its own and the gradients are averaged.

    Resumed from a checkpoint, it trains the windows of the episode that was interrupted once more
    with the multipliers that they had, and goes on to the same numbers.

    The runner asks for a ``train_dataloader``; it is not used, ``dict()`` will do.

    Args:
        runner: The runner.
        dataloader: Ignored.
        environments: Arguments of :class:`~mmasg.l2o.TrainingEnvironment`, a dict or a list of
            dicts whose episodes come in turn.
        max_iters: Number of updates.
        rollout_length: Decisions between two updates, fewer at the end of an episode. Default 5.
        gamma: Discount. Default 0: the return is the reward.
        reward: Registered reward, see :mod:`mmasg.l2o.rewards`. Default: the decrease of the
            window's mean loss.
        baseline: ``None`` (default), ``'value'`` for the value head, or the arguments of
            :class:`~mmasg.l2o.MovingAverageBaseline` as a dict.
        entropy_weight: Entropy bonus. Default 0.
        value_weight: Weight of the value head's loss with ``baseline='value'``. Default 0.5.

    Raises:
        ValueError: A number out of range, an unknown baseline, or (when the first episode begins)
            an environment with another number of groups than the policy.
        TypeError: The runner's model is no ``ReinforcePolicy``.

    Example:
        >>> train_cfg = dict(
        ...     type='PolicyGradientLoop', max_iters=500,
        ...     environments=dict(config='configs/asg/gta2cityscapes.py',
        ...                       window='gta5', episode_iters=4000))
        >>> train_dataloader = dict()
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        environments: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        max_iters: int,
        rollout_length: int = 5,
        gamma: float = 0.0,
        reward: Mapping[str, Any] | None = None,
        baseline: Mapping[str, Any] | str | None = None,
        entropy_weight: float = 0.0,
        value_weight: float = 0.5,
    ) -> None:
        whole = isinstance(rollout_length, int) and not isinstance(rollout_length, bool)
        if not whole or rollout_length < 1:
            raise ValueError(wrong("train_cfg.rollout_length", rollout_length, "an integer >= 1"))
        if not 0 <= gamma <= 1:
            raise ValueError(wrong("train_cfg.gamma", gamma, "a number from 0 to 1"))
        if isinstance(baseline, str) and baseline != "value":
            allowed = "None, 'value' or a dict of MovingAverageBaseline's arguments"
            raise ValueError(wrong("train_cfg.baseline", baseline, allowed))
        policy = unwrap(runner.model)
        if not isinstance(policy, ReinforcePolicy):
            allowed = (
                "dict(type='ReinforcePolicy', num_groups=...), which PolicyGradientLoop trains"
            )
            raise TypeError(wrong("model", type(policy).__name__, allowed))
        if not environments:
            raise ValueError(wrong("train_cfg.environments", environments, "at least one"))
        super().__init__(runner, max_iters)
        built: MovingAverageBaseline | str | None
        if isinstance(baseline, Mapping):
            built = MovingAverageBaseline(**{k: v for k, v in baseline.items() if k != "type"})
        else:
            built = baseline
        self.policy = policy
        self.entropy_weight = entropy_weight
        self.value_weight = value_weight
        self.collector = RolloutCollector(
            policy,
            build_environments(environments),
            build_reward(reward),
            rollout_length,
            gamma,
            built,
            runner.seed,
            get_rank(),
            get_world_size(),
            self._log_episode,
        )
        self.resumed: list[dict[str, Any]] = []
        # Before the hook that saves (VERY_LOW).
        runner.register_hook(_CollectorStateHook(self), priority="LOW")

    def run(self) -> torch.nn.Module:
        """Train the policy."""
        if self._iter > 0 and self.resumed:
            self._go_on(self.resumed)
        self.resumed = []
        return super().run()

    def close(self) -> None:
        """Let the environments' processes go."""
        self.collector.close()

    def collect(self) -> tuple[dict[str, Any], dict[str, float]]:
        """Act for one rollout: what ``ReinforcePolicy.loss`` takes, and values for the log."""
        rollout, measured = self.collector.collect()
        rollout.update(entropy_weight=self.entropy_weight, value_weight=self.value_weight)
        return rollout, measured

    def _go_on(self, states: list[dict[str, Any]]) -> None:
        collector = self.collector
        if len(states) == collector.world_size:
            collector.load_state_dict(states[collector.rank])
            return
        self.runner.logger.warning(
            f"The checkpoint is of {len(states)} process(es), this run has "
            f"{collector.world_size}: the policy goes on, in new episodes."
        )
        # No seed twice: the processes count on from the farthest.
        episodes = max(state["episode"] for state in states) * len(states)
        collector.episode = -(-episodes // collector.world_size)

    def _log_episode(self, summary: dict[str, float]) -> None:
        self.log_values("episode", summary)
        self.runner.logger.info(
            "Episode " + ", ".join(f"{key} {value:.5g}" for key, value in summary.items())
        )


class _CollectorStateHook(Hook):
    """Makes the runner's checkpoints policy files, and keeps the collectors' states in them."""

    def __init__(self, loop: PolicyGradientLoop) -> None:
        self.loop = loop
        self._states: list[dict[str, Any]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        # Only the first process saves, so it has to know what the others are at.
        self._states = all_gather_object(self.loop.collector.state_dict())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        policy = self.loop.policy
        checkpoint["meta"].update(
            multipliers=list(policy.multipliers), carry_state=policy.carry_state
        )
        checkpoint[_STATE_KEY] = dict(collectors=self._states)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self.loop.resumed = checkpoint.get(_STATE_KEY, {}).get("collectors", [])
