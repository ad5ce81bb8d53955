"""A network's training run as the environment in which a policy is trained."""

from __future__ import annotations

import copy
import itertools
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmengine.dist.utils as dist_utils
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.visualization import Visualizer
from torch import Tensor

from .layer_lr_hook import LayerLRHook

_NAMES = itertools.count()
_MANAGERS = (DefaultScope, MMLogger, MessageHub, Visualizer)
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
    """

    observation: Tensor
    task_loss: float
    done: bool
    diverged: bool


class TrainingEnvironment:
    """A training run that stops after every window and waits for multipliers.

    Any config that trains with layer groups is an environment: its model, consistency hook, data,
    optimizer and schedule are used as they stand, its validation is left out, and a
    :class:`~mmasg.l2o.LayerLRPolicyHook` in it gives way. The run is this process's own, also
    where the policy's training is distributed.

    Args:
        config: Path of a config file, or a config.
        window: Length of the windows, see :class:`~mmasg.l2o.WindowRule`.
        episode_iters: Iterations after which an episode ends, at the end of the window; default:
            the whole run. The schedule and ``step/total`` remain those of the whole run.
        overrides: Entries to change in the config, with dotted keys, as on the command line.
        last_layer: See :class:`~mmasg.l2o.LastLayer`.

    Raises:
        FileNotFoundError: No such config.
        ValueError: ``episode_iters`` below 1, or an invalid window.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any],
        window: int | str | Mapping[str, Any],
        episode_iters: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        last_layer: str | None = None,
    ) -> None:
        if isinstance(config, (str, Path)):
            self.config = Config.fromfile(config)
        else:
            self.config = Config(copy.deepcopy(dict(config)))
        if episode_iters is not None and episode_iters < 1:
            raise ValueError(f"`episode_iters` must be at least 1, got {episode_iters}.")
        self.config.merge_from_dict(dict(overrides or {}))
        self.episode_iters = episode_iters
        self._window, self._last_layer = window, last_layer
        self._hook = _WindowHook(window, last_layer)
        self._runner: _EpisodeRunner | None = None
        self._iterations: Iterator[None] | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="mmasg_environment_")

    @property
    def group_names(self) -> list[str]:
        """The layer groups of the current episode, in the policy's order."""
        if self._hook.rates is None:
            raise RuntimeError("TrainingEnvironment.reset must be called first.")
        return self._hook.rates.names

    @property
    def iters_done(self) -> int:
        """Iterations done in the current episode."""
        return 0 if self._runner is None else self._runner.iter

    def reset(self, seed: int) -> EnvironmentStep:
        """Begin a new training with this seed and train its first window at multiplier 1."""
        self.close()
        self._hook = _WindowHook(self._window, self._last_layer)
        self._runner = _EpisodeRunner.start(
            self.config, self._hook, seed, Path(self._directory.name) / f"seed_{seed}"
        )
        self._iterations = self._runner.iterations()
        return self._train_window()

    def step(self, multipliers: Sequence[float]) -> EnvironmentStep:
        """Train the next window with these multipliers, one per layer group."""
        if self._runner is None or self._hook.rates is None:
            raise RuntimeError("TrainingEnvironment.reset must be called before step.")
        self._hook.rates.set(multipliers)
        return self._train_window()

    def close(self) -> None:
        """Let the current training go."""
        if self._iterations is not None:
            self._iterations.close()  # type: ignore[attr-defined]
            self._iterations = None
        if self._runner is not None:
            self._runner.forget()
            self._runner = None

    def _train_window(self) -> EnvironmentStep:
        assert self._runner is not None and self._iterations is not None
        self._hook.scalars = None
        with self._runner.alone():
            for _ in self._iterations:
                if self._hook.scalars is not None:
                    break
        scalars = self._hook.scalars
        if scalars is None:
            raise RuntimeError(
                "The episode is over: reset the environment, or give it a longer training."
            )
        task_loss = float(scalars[0])
        diverged = not bool(scalars.isfinite().all())
        limit = self.episode_iters or math.inf
        done = diverged or self._hook.last or self._runner.iter >= limit
        return EnvironmentStep(self._hook.observation(scalars), task_loss, done, diverged)


def build_environments(
    given: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> list[TrainingEnvironment]:
    """Build the environments of ``train_cfg.environments``: one's arguments, or a list of them."""
    if isinstance(given, Mapping):
        given = [given]
    return [TrainingEnvironment(**arguments) for arguments in given]


class _WindowHook(LayerLRHook):
    """Hands each window to the environment."""

    scalars: Tensor | None = None
    last = False

    def begin(self, runner: Runner) -> None:
        assert self.rates is not None
        self.rates.set([1.0] * self.rates.num_groups)

    def window_done(self, runner: Runner, scalars: Tensor, last: bool) -> None:
        self.scalars, self.last = scalars, last


class _EpisodeRunner(Runner):
    """A runner that is driven from outside, iteration by iteration, and leaves no files."""

    @classmethod
    def start(cls, config: Config, hook: LayerLRHook, seed: int, work_dir: Path) -> _EpisodeRunner:
        config = copy.deepcopy(config)
        for key in _EVALUATION:
            config[key] = None
        hooks = {k: v for k, v in (config.get("default_hooks") or {}).items() if v is not None}
        hooks.pop("visualization", None)  # pictures of validation
        name = f"environment{next(_NAMES)}"
        config.update(
            work_dir=str(work_dir),
            launcher="none",
            load_from=None,
            resume=False,
            randomness=dict(seed=seed),
            experiment_name=name,
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
        with _this_process_alone(), _current_instances([]):
            runner = cls.from_cfg(config)
            runner.register_hook(hook)
            runner._prepare()
        return runner

    def iterations(self) -> Iterator[None]:
        """Train, and pause after each iteration."""
        loop = self.train_loop
        self.call_hook("before_train")
        if isinstance(loop, EpochBasedTrainLoop):
            while loop._epoch < loop._max_epochs:
                self.call_hook("before_train_epoch")
                self.model.train()
                for index, batch in enumerate(loop.dataloader):
                    loop.run_iter(index, batch)
                    yield
                self.call_hook("after_train_epoch")
                loop._epoch += 1
        else:
            self.call_hook("before_train_epoch")
            while loop.iter < loop.max_iters:
                self.model.train()
                loop.run_iter(next(loop.dataloader_iterator))
                yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within it, this run's logger and scope are the current ones, and no other process is."""
        with _this_process_alone(), _current_instances([self.experiment_name]):
            yield

    def forget(self) -> None:
        """Remove the run's instances from MMEngine's managers, which would keep them for good."""
        for manager in _MANAGERS:
            manager._instance_dict.pop(self.experiment_name, None)

    def _prepare(self) -> None:
        # Runner.train up to the loop's start, without validation and compilation.
        self._train_loop: Any = self.build_train_loop(self._train_loop)
        self.optim_wrapper: Any = self.build_optim_wrapper(self.optim_wrapper)
        self.scale_lr(self.optim_wrapper, self.auto_scale_lr)
        if self.param_schedulers is not None:
            self.param_schedulers: Any = self.build_param_scheduler(self.param_schedulers)
        self.call_hook("before_run")
        self._init_model_weights()
        self.optim_wrapper.initialize_count_status(
            self.model, self._train_loop.iter, self._train_loop.max_iters
        )

    def _log_env(self, env_cfg: dict) -> None:
        """Nothing: an episode begins every few seconds."""

    def dump_config(self) -> None:
        """Nothing."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """A logger that writes no file."""
        return MMLogger.get_instance(
            self.experiment_name, logger_name="environment", log_level="ERROR"
        )


@contextmanager
def _this_process_alone() -> Iterator[None]:
    """Make MMEngine's distributed functions see this process alone.

    An environment belongs to one process. Its samplers and hooks ask MMEngine for rank and world
    size, and would otherwise share data and wait for each other across environments.
    """
    original = dist_utils.is_distributed
    dist_utils.is_distributed = lambda: False
    try:
        yield
    finally:
        dist_utils.is_distributed = original


@contextmanager
def _current_instances(names: Sequence[str]) -> Iterator[None]:
    """Make these the current instances of MMEngine's managers, and the old ones again after it."""
    before = [next(reversed(manager._instance_dict), None) for manager in _MANAGERS]
    for manager in _MANAGERS:
        for name in names:
            if name in manager._instance_dict:
                manager._instance_dict.move_to_end(name)
    try:
        yield
    finally:
        for manager, last in zip(_MANAGERS, before, strict=True):
            if last in manager._instance_dict:
                manager._instance_dict.move_to_end(last)
