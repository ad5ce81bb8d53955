"""Training loop that trains one policy for all groups."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import LOOPS, TASK_UTILS
from mmengine.runner import Runner

from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .episode import EnvironmentStep
from .episode_pool import EpisodeJob, EpisodePool
from .group_policy import GROUP_INPUTS, GroupPolicy
from .group_policy_file import file_meta
from .policy_evaluation import constant, mean_reward
from .policy_loop import PolicyLoop
from .policy_trainers import Earned
from .rewards import build_reward, episode_rewards
from .trainable_group_policy import TrainableGroupPolicy


@LOOPS.register_module()
class GroupPolicyLoop(PolicyLoop):
    """Train a policy of all groups on trainings drawn from a distribution.

    The runner's model is the policy (``TrainableGroupPolicy``). An update takes several episodes of
    each of ``draws`` trainings: same seed, same draw, other decisions. Update u of a run with seed
    s begins at training number ``s + 1 + u * draws``, which keys everything random in it; so there
    is no state but the policy's and the optimizer's, and a run that was interrupted goes on to the
    same numbers from any checkpoint. With several processes each has trainings of its own, and the
    gradients are averaged.

    Args:
        runner: The runner.
        dataloader: Ignored.
        environments: Arguments of :class:`~mmasg.l2o.TrainingEnvironment` with
            ``observes='groups'``, a dict or a list of dicts; a training takes one by its number.
        max_iters: Number of updates.
        trainer: ``dict(type='EvolutionTrainer', ...)`` (default) or
            ``dict(type='ReinforceTrainer', ...)``.
        draws: Trainings of an update. Default 1.
        workers: Episodes that run at a time. Default 2.
        reward: Registered reward, see :mod:`mmasg.l2o.rewards`. Default: ``ScoreReward``.
        compare: Also run each training with the fixed rule, and log by how much the episodes'
            mean reward is above its: ``advantage``. Default ``True``.

    Raises:
        ValueError: A number out of range, environments of the other kind, no environment.
        TypeError: The runner's model is no ``TrainableGroupPolicy``.

    Example:
        >>> model = dict(type='TrainableGroupPolicy')
        >>> train_cfg = dict(
        ...     type='GroupPolicyLoop', max_iters=100,
        ...     environments=dict(config='my_training.py', window=dict(windows=10),
        ...                       observes='groups', score=dict(...)))
        >>> train_dataloader = dict()
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        environments: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        max_iters: int,
        trainer: Mapping[str, Any] | None = None,
        draws: int = 1,
        workers: int = 2,
        reward: Mapping[str, Any] | None = None,
        compare: bool = True,
    ) -> None:
        if not isinstance(draws, int) or isinstance(draws, bool) or draws < 1:
            raise ValueError(wrong("train_cfg.draws", draws, "an integer >= 1"))
        policy = unwrap(runner.model)
        if not isinstance(policy, TrainableGroupPolicy):
            allowed = "dict(type='TrainableGroupPolicy', ...), which GroupPolicyLoop trains"
            raise TypeError(wrong("model", type(policy).__name__, allowed))
        check_environments(environments)
        super().__init__(runner, max_iters)
        self.policy = policy
        self.trainer = TASK_UTILS.build(dict(trainer or dict(type="EvolutionTrainer")))
        self.draws, self.compare = draws, compare
        self.reward = build_reward(reward or dict(type="ScoreReward"))
        self.pool = EpisodePool(environments, workers)
        # Before the hook that saves (VERY_LOW).
        runner.register_hook(_PolicyFileHook(policy), priority="LOW")

    def close(self) -> None:
        """Let the environments' processes go."""
        self.pool.close()

    def collect(self) -> tuple[dict[str, Any], dict[str, float]]:
        """Run the episodes of one update."""
        begun = (self._iter * get_world_size() + get_rank()) * self.draws + self.runner.seed + 1
        numbers = range(begun, begun + self.draws)
        actors = {number: self.trainer.actors(self.policy, number) for number in numbers}
        fixed = constant(1.0)(torch.Generator())
        jobs = [
            EpisodeJob(number, actor)
            for number in numbers
            for actor in (*actors[number], *([fixed] if self.compare else []))
        ]
        runs = iter(list(self.pool.map(jobs)))
        earned: list[Earned] = []
        played: list[Sequence[EnvironmentStep]] = []
        advantages = []
        for number in numbers:
            windows = [next(runs) for _ in actors[number]]
            rule = next(runs) if self.compare else None
            if len(windows[0]) == 1:
                continue  # the first window, which nobody decides about, has diverged
            rewards = [episode_rewards(self.reward, w) for w in windows]
            earned.append((number, actors[number], rewards))
            played += windows
            if rule is not None:
                own = statistics.fmean(mean_reward(w, self.reward) for w in windows)
                advantages.append(own - mean_reward(rule, self.reward))
        if not earned:
            raise RuntimeError(
                f"The trainings {list(numbers)} diverged in their first window, before a policy "
                "decides anything: look at train_cfg.environments (overrides, draws)."
            )
        measured = self._measure(played)
        if advantages:
            measured["advantage"] = statistics.fmean(advantages)
        return dict(trainer=self.trainer, earned=earned, update=self._iter), measured

    def _measure(self, played: Sequence[Sequence[EnvironmentStep]]) -> dict[str, float]:
        multipliers = [m for windows in played for m in _multipliers(windows)]
        measured = dict(
            reward=statistics.fmean(mean_reward(windows, self.reward) for windows in played),
            mean_multiplier=statistics.geometric_mean(multipliers) if multipliers else 1.0,
            window_task_loss=statistics.fmean(windows[-1].task_loss for windows in played),
            diverged=statistics.fmean(float(windows[-1].diverged) for windows in played),
        )
        scores = [windows[-1].score for windows in played]
        known = [score for score in scores if score is not None]
        if known:
            measured["last_score"] = statistics.fmean(known)
        return measured


def check_environments(environments: Any) -> None:
    """Raise a ``ValueError`` unless all environments show what a policy of all groups sees."""
    given = [environments] if isinstance(environments, Mapping) else list(environments or ())
    if not given:
        raise ValueError(wrong("train_cfg.environments", environments, "at least one"))
    for arguments in given:
        if arguments.get("observes") != "groups":
            allowed = "'groups', which a policy of all groups observes"
            got = arguments.get("observes", "layers")
            raise ValueError(wrong("train_cfg.environments.observes", got, allowed))


def _multipliers(windows: Sequence[EnvironmentStep]) -> list[float]:
    """Multipliers of an episode's windows but the first, as they were observed."""
    index = GROUP_INPUTS.index("log_multiplier")
    seen = [w.observation[0][0, :, index].exp() for w in windows[1:] if not w.diverged]
    return [value for row in seen for value in row.tolist()]


class _PolicyFileHook(Hook):
    """Makes the runner's checkpoints policy files."""

    def __init__(self, policy: GroupPolicy) -> None:
        self.policy = policy

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["meta"].update(file_meta(self.policy))
