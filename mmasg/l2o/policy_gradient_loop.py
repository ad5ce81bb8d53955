"""Training loop that trains a learning-rate policy by REINFORCE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import LOOPS, TASK_UTILS
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from .baselines import MovingAverageBaseline
from .environment import EnvironmentStep, TrainingEnvironment
from .policy import LSTMPolicy, PolicyState
from .reinforce_loss import discounted_returns

_STATE_KEY = "policy_gradient_loop"


@LOOPS.register_module()
class PolicyGradientLoop(BaseLoop):
    """Train a policy on trainings (ASG, section 3.2; reward and options are this project's).

    The runner's model is the policy (``ReinforcePolicy``). One iteration of this loop is a rollout
    of ``rollout_length`` decisions in an environment, and one update from it. An environment is a
    network's training, which begins anew, with a new seed, when its episode is over; the policy
    goes on. With several processes each has environments of its own and the gradients are averaged.

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
        ...     environments=dict(config='configs/asg/gta2cityscapes_fcn8s-vgg16.py',
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
        # Hooks ask the loop's data loader for its length and its sampler.
        super().__init__(runner, DataLoader([0]))  # type: ignore[arg-type]
        for name, count in (("max_iters", max_iters), ("rollout_length", rollout_length)):
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"train_cfg.{name} must be an integer >= 1, got {count!r}.")
        if not 0 <= gamma <= 1:
            raise ValueError(f"train_cfg.gamma must be in [0, 1], got {gamma}.")
        if isinstance(baseline, str) and baseline != "value":
            raise ValueError(
                f"train_cfg.baseline='{baseline}'; allowed: None, 'value' or a dict of "
                "MovingAverageBaseline's arguments."
            )
        policy = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(policy, LSTMPolicy) or not hasattr(policy, "loss"):
            raise TypeError(
                "PolicyGradientLoop trains model=dict(type='ReinforcePolicy', num_groups=...), got "
                f"{type(policy).__name__}."
            )
        if isinstance(environments, Mapping):
            environments = [environments]
        if not environments:
            raise ValueError("train_cfg.environments is empty: give at least one.")
        self.policy = policy
        self.environments = [TrainingEnvironment(**arguments) for arguments in environments]
        self.rollout_length = rollout_length
        self.gamma = gamma
        self.reward = TASK_UTILS.build(dict(reward or dict(type="LossDecreaseReward")))
        self.moving_average: MovingAverageBaseline | None = None
        if isinstance(baseline, Mapping):
            arguments = {key: value for key, value in baseline.items() if key != "type"}
            self.moving_average = MovingAverageBaseline(**arguments)
        self.baseline = baseline
        self.entropy_weight = entropy_weight
        self.value_weight = value_weight

        self._max_iters, self._iter = max_iters, 0
        self.stop_training = False
        self.episode = 0
        self.generator = torch.Generator()
        self._environment: TrainingEnvironment | None = None
        self._window: EnvironmentStep | None = None
        self._policy_state: PolicyState | None = None
        self._decision = 0
        self._episode_losses: list[float] = []
        runner.register_hook(_PolicyCheckpointHook(self), priority="VERY_LOW")

    @property
    def max_epochs(self) -> int:
        """One; the loop has no epochs."""
        return 1

    @property
    def max_iters(self) -> int:
        """Number of updates."""
        return self._max_iters

    @property
    def epoch(self) -> int:
        """Always 0."""
        return 0

    @property
    def _epoch(self) -> int:
        return 0

    @_epoch.setter
    def _epoch(self, value: int) -> None:
        """Set by the runner on resume; there is nothing to keep."""

    @property
    def iter(self) -> int:
        """Updates done."""
        return self._iter

    def run(self) -> torch.nn.Module:
        """Train the policy."""
        seed = self.runner.seed + 7919 * get_rank() + 104729 * self._iter
        self.generator.manual_seed(seed)
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=None)
            rollout, measured = self.collect()
            outputs = self.runner.model.train_step(rollout, optim_wrapper=self.runner.optim_wrapper)
            outputs.update(measured)
            self.runner.call_hook(
                "after_train_iter", batch_idx=self._iter, data_batch=None, outputs=outputs
            )
            self._iter += 1
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        for environment in self.environments:
            environment.close()
        return self.runner.model

    def collect(self) -> tuple[dict[str, Any], dict[str, float]]:
        """Act for one rollout.

        Returns:
            What ``ReinforcePolicy.loss`` takes, and values for the log.
        """
        if self._window is None:
            self._begin_episode()
        assert self._window is not None and self._environment is not None
        first, state = self._decision, self._policy_state
        device = next(self.policy.parameters()).device
        observations, actions = [], []
        rewards: list[float] = []
        while len(rewards) < self.rollout_length and not self._window.done:
            observation = self._window.observation
            with torch.no_grad():
                logits, _, self._policy_state = self.policy(
                    observation.to(device), self._policy_state
                )
            choice = torch.multinomial(logits[0].exp().cpu(), 1, generator=self.generator)
            action = choice.squeeze(1)
            multipliers = [self.policy.multipliers[i] for i in action.tolist()]
            before, self._window = self._window, self._environment.step(multipliers)
            observations.append(observation)
            actions.append(action)
            rewards.append(self._reward(before, self._window))
            self._decision += 1
            if not self._window.diverged:
                self._episode_losses.append(self._window.task_loss)
        rollout: dict[str, Any] = dict(
            observation=torch.cat(observations),
            actions=torch.stack(actions),
            rewards=torch.tensor(rewards),
            state=state,
            gamma=self.gamma,
            entropy_weight=self.entropy_weight,
            value_weight=self.value_weight,
        )
        if self.moving_average is not None:
            returns = discounted_returns(rollout["rewards"], self.gamma)
            rollout["baseline"], rollout["scale"] = self.moving_average(returns, first)
        else:
            rollout["baseline"] = self.baseline
        measured = dict(
            mean_multiplier=sum(
                self.policy.multipliers[i] for i in rollout["actions"].flatten().tolist()
            )
            / rollout["actions"].numel(),
            window_task_loss=self._window.task_loss,
            episode=float(self.episode),
            decision=float(self._decision),
        )
        if self._window.done:
            self._end_episode()
        return rollout, measured

    def _begin_episode(self) -> None:
        """The next environment in turn, with a seed that no other episode has."""
        for _ in range(10):
            number = self.episode * get_world_size() + get_rank()
            self.episode += 1
            self._environment = self.environments[number % len(self.environments)]
            self._window = self._environment.reset(self.runner.seed + 1 + number)
            found = len(self._environment.group_names)
            if found != self.policy.num_groups:
                raise ValueError(
                    f"The policy has num_groups={self.policy.num_groups}, but the environment's "
                    f"model has {found} layer groups: {self._environment.group_names}."
                )
            if not self._window.done:
                break
        else:
            raise RuntimeError(
                "Ten episodes in a row were over after their first window: they diverge at once, "
                "or `episode_iters` is not longer than the first window."
            )
        self._policy_state, self._decision = None, 0
        self._episode_losses = [self._window.task_loss]

    def _end_episode(self) -> None:
        assert self._window is not None
        losses = self._episode_losses
        if self._window.diverged:
            self.runner.logger.warning(
                f"Episode {self.episode} diverged (non-finite loss or weights) in window "
                f"{self._decision}: it ends with the lowest reward, {self.reward.lowest}."
            )
        summary = dict(
            number=self.episode,
            windows=len(losses),
            first_loss=losses[0],
            mean_loss=sum(losses) / len(losses),
            last_loss=losses[-1],
            diverged=float(self._window.diverged),
        )
        self.runner.visualizer.add_scalars(
            {f"episode/{key}": value for key, value in summary.items()},
            step=self._iter + 1,
            file_path=f"{self.runner.timestamp}.json",
        )
        self.runner.logger.info(
            "Episode " + ", ".join(f"{key} {value:.5g}" for key, value in summary.items())
        )
        self._window = None

    def _reward(self, before: EnvironmentStep, after: EnvironmentStep) -> float:
        if after.diverged:
            return self.reward.lowest
        return self.reward(before.task_loss, after.task_loss)


class _PolicyCheckpointHook(Hook):
    """Makes the runner's checkpoints policy files, and keeps the loop's own state in them."""

    def __init__(self, loop: PolicyGradientLoop) -> None:
        self.loop = loop

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        policy, average = self.loop.policy, self.loop.moving_average
        checkpoint["meta"].update(
            multipliers=list(policy.multipliers), carry_state=policy.carry_state
        )
        # The log's history is pickled by reference to functions, and some of the run's infos are
        # numpy scalars, which torch's safe loading refuses; without them the file loads with
        # weights_only=True.
        hub = checkpoint["message_hub"]
        infos = {k: v for k, v in hub["runtime_info"].items() if type(v) in (int, float, str)}
        checkpoint["message_hub"] = {**hub, "log_scalars": {}, "runtime_info": infos}
        checkpoint[_STATE_KEY] = dict(
            episode=self.loop.episode,
            moving_average=None if average is None else average.state_dict(),
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume and _STATE_KEY in checkpoint:
            state = checkpoint[_STATE_KEY]
            self.loop.episode = state["episode"]
            if self.loop.moving_average is not None and state["moving_average"] is not None:
                self.loop.moving_average.load_state_dict(state["moving_average"])
