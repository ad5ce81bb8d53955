"""One training of a network, stopped after every window until somebody has chosen multipliers."""

from __future__ import annotations

import copy
import itertools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmasg.wrapped_model import unwrap

from .group_lr_hook import GroupLRHook
from .group_observation import WindowFacts
from .held_out_score import HeldOutScore
from .layer_lr_hook import LayerLRHook
from .windowed_rates_hook import WindowedRatesHook

_NUMBERS = itertools.count()
_EVALUATION = tuple(
    f"{stage}_{part}" for stage in ("val", "test") for part in ("dataloader", "cfg", "evaluator")
)


@dataclass(frozen=True)
class EnvironmentStep:
    """What a window of training showed.

    Attributes:
        observation: (1, 5 + G), see :mod:`mmasg.l2o.observation`; of an environment that
            ``observes='groups'`` the pair of :func:`~mmasg.l2o.group_observation.observe_groups`.
        task_loss: The window's mean task loss.
        done: The episode is over.
        diverged: A loss or weight of the window was not finite; then ``done`` as well.
        group_names: The layer groups, in the policy's order.
        score: The held-out score after the window, where the environment has one and the network
            is finite.
    """

    observation: Any
    task_loss: float
    done: bool
    diverged: bool
    group_names: tuple[str, ...] = ()
    score: float | None = None


Answer = Callable[[EnvironmentStep], Sequence[float]]
"""Gets every window and gives the multipliers, one per group, of the next; the last one's are not
looked at."""


def train_episode(
    config: Mapping[str, Any],
    seed: int,
    answer: Answer,
    window: int | str | Mapping[str, Any],
    episode_iters: int | None = None,
    last_layer: str | None = None,
    observes: str = "layers",
) -> Runner:
    """Train a config until its episode is over.

    Validation, checkpoints and logs are left out, and a policy's hook in the config gives way. The
    first window is at multiplier 1.

    Args:
        config: Any config that trains with layer groups; under ``score`` it may have the arguments
            of :class:`~mmasg.l2o.HeldOutScore`.
        seed: Of the training.
        answer: Chooses the multipliers.
        window: Length of the windows, see :class:`~mmasg.l2o.WindowRule`.
        episode_iters: See :class:`~mmasg.l2o.TrainingEnvironment`.
        last_layer: See :class:`~mmasg.l2o.LastLayer`.
        observes: See :class:`~mmasg.l2o.TrainingEnvironment`.

    Returns:
        The runner, with the network as the episode left it.
    """
    with tempfile.TemporaryDirectory(prefix="mmasg_episode_") as folder:
        silent = _silent(config, seed, folder)
        score = silent.pop("score", None)
        runner = _EpisodeRunner.from_cfg(silent)
        hook: _AskingLayers | _AskingGroups
        if observes == "groups":
            hook = _AskingGroups(window)
        else:
            hook = _AskingLayers(window, last_layer)
        hook.answer, hook.limit = answer, episode_iters or math.inf
        hook.score = None if score is None else HeldOutScore(**score)
        runner.register_hook(hook)
        with suppress(_EpisodeIsOver):
            runner.train()
    return runner


class _EpisodeIsOver(Exception):
    """Ends a training in the middle."""


class _Asking(WindowedRatesHook):
    """Shows each window and sets what the answer says."""

    answer: Answer
    limit: float
    score: HeldOutScore | None

    def shown(self, runner: Runner, seen: Any) -> tuple[Any, float]:
        """Observation and task loss of a window; no observation of one that is not finite."""
        raise NotImplementedError

    def window_done(self, runner: Runner, seen: Any, last: bool) -> None:
        assert self.rates is not None
        observation, task_loss = self.shown(runner, seen)
        diverged = observation is None
        done = diverged or last or runner.iter + 1 >= self.limit
        names = tuple(self.rates.names)
        score = None
        if self.score is not None and not diverged:
            score = self.score(unwrap(runner.model))
        step = EnvironmentStep(observation, task_loss, done, diverged, names, score)
        chosen = self.answer(step)
        if not done:
            self.rates.set(chosen)
        elif not last:
            raise _EpisodeIsOver


class _AskingLayers(_Asking, LayerLRHook):
    def shown(self, runner: Runner, seen: Tensor) -> tuple[Tensor | None, float]:
        finite = bool(seen.isfinite().all())
        return self.observation(seen) if finite else None, float(seen[0])


class _AskingGroups(_Asking, GroupLRHook):
    def shown(self, runner: Runner, seen: WindowFacts) -> tuple[Any, float]:
        return self.observe(runner, seen), seen.task_loss


class _EpisodeRunner(Runner):
    """A runner that keeps quiet: an episode begins every few seconds."""

    def _log_env(self, env_cfg: dict) -> None:
        """Nothing: asking the compilers for their versions takes a second."""

    def dump_config(self) -> None:
        """Nothing."""


def _silent(given: Mapping[str, Any], seed: int, work_dir: str) -> Config:
    config = Config(copy.deepcopy(dict(given)))
    for key in _EVALUATION:
        config[key] = None
    hooks = {k: v for k, v in (config.get("default_hooks") or {}).items() if v is not None}
    hooks.pop("visualization", None)  # pictures of validation
    config.update(
        work_dir=work_dir,
        launcher="none",
        load_from=None,
        resume=False,
        randomness=dict(seed=seed),
        experiment_name=f"episode{next(_NUMBERS)}",  # MMEngine's instances live by this name
        log_level="ERROR",
        visualizer=dict(type="Visualizer", vis_backends=None),
        default_hooks={**hooks, "logger": None, "checkpoint": None, "timer": None},
        custom_hooks=[
            entry
            for entry in config.get("custom_hooks") or []
            if entry["type"] not in ("LayerLRPolicyHook", "GroupPolicyHook")
        ],
        model_wrapper_cfg=None,
    )
    return config
