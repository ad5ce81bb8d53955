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

from .layer_lr_hook import LayerLRHook

_NUMBERS = itertools.count()
_EVALUATION = tuple(
    f"{stage}_{part}" for stage in ("val", "test") for part in ("dataloader", "cfg", "evaluator")
)


@dataclass(frozen=True)
class EnvironmentStep:
    """What a window of training showed.

    Attributes:
        observation: (1, 5 + G), see :mod:`mmasg.l2o.observation`.
        task_loss: The window's mean task loss.
        done: The episode is over.
        diverged: A loss or weight of the window was not finite; then ``done`` as well.
        group_names: The layer groups, in the policy's order.
    """

    observation: Tensor
    task_loss: float
    done: bool
    diverged: bool
    group_names: tuple[str, ...] = ()


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
) -> Runner:
    """Train a config until its episode is over.

    Validation, checkpoints and logs are left out, and a :class:`~mmasg.l2o.LayerLRPolicyHook` in
    the config gives way. The first window is at multiplier 1.

    Args:
        config: Any config that trains with layer groups.
        seed: Of the training.
        answer: Chooses the multipliers.
        window: Length of the windows, see :class:`~mmasg.l2o.WindowRule`.
        episode_iters: See :class:`~mmasg.l2o.TrainingEnvironment`.
        last_layer: See :class:`~mmasg.l2o.LastLayer`.

    Returns:
        The runner, with the network as the episode left it.
    """
    with tempfile.TemporaryDirectory(prefix="mmasg_episode_") as folder:
        runner = _EpisodeRunner.from_cfg(_silent(config, seed, folder))
        runner.register_hook(_AskingHook(answer, window, episode_iters, last_layer))
        with suppress(_EpisodeIsOver):
            runner.train()
    return runner


class _EpisodeIsOver(Exception):
    """Ends a training in the middle."""


class _AskingHook(LayerLRHook):
    """Shows each window and sets what the answer says."""

    def __init__(
        self, answer: Answer, window: Any, episode_iters: int | None, last_layer: str | None
    ) -> None:
        super().__init__(window, last_layer)
        self._answer, self._limit = answer, episode_iters or math.inf

    def window_done(self, runner: Runner, scalars: Tensor, last: bool) -> None:
        assert self.rates is not None
        diverged = not bool(scalars.isfinite().all())
        done = diverged or last or runner.iter + 1 >= self._limit
        names = tuple(self.rates.names)
        observation, task_loss = self.observation(scalars), float(scalars[0])
        chosen = self._answer(EnvironmentStep(observation, task_loss, done, diverged, names))
        if not done:
            self.rates.set(chosen)
        elif not last:
            raise _EpisodeIsOver


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
            if entry["type"] != "LayerLRPolicyHook"
        ],
        model_wrapper_cfg=None,
    )
    return config
