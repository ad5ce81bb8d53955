"""A network's training run as the environment in which a policy is trained."""

from __future__ import annotations

import atexit
import copy
import multiprocessing
import traceback
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from mmasg.errors import wrong

from .episode import EnvironmentStep, train_episode
from .episode_draws import EpisodeDraws
from .windows import WindowRule


class TrainingEnvironment:
    """A training run that stops after every window and waits for multipliers.

    Any config that trains with layer groups is an environment: its model, consistency hook, data,
    optimizer and schedule are used as they stand, its validation is left out, and a policy's hook
    in it gives way.

    The trainings run in a process of their own: MMEngine keeps the current logger, registries'
    scope and random generators for a whole process, and asks it for the ranks of a distributed
    training, which an environment has no part in. Modules that register parts of the config have
    to be among its ``custom_imports``.

    Args:
        config: Path of a config file, or a config.
        window: Length of the windows, see :class:`~mmasg.l2o.WindowRule`.
        episode_iters: Iterations after which an episode ends, at the end of the window; default:
            the whole run. The schedule and ``step/total`` remain those of the whole run.
        overrides: Entries to change in the config, with dotted keys, as on the command line.
        last_layer: See :class:`~mmasg.l2o.LastLayer`.
        observes: ``'layers'`` (default): what :class:`~mmasg.l2o.LSTMPolicy` sees, multipliers are
            of the rates; ``'groups'``: what :class:`~mmasg.l2o.GroupPolicy` sees, multipliers are
            of the relative steps.
        score: Arguments of :class:`~mmasg.l2o.HeldOutScore`, by which the network is scored after
            every window. Default: not scored. ``overrides`` and ``draws`` name its entries by
            ``score.``.
        draws: Factors of :class:`~mmasg.l2o.EpisodeDraws`: entries of the config that differ from
            episode to episode. Default: episodes differ in their seeds alone.
        num_threads: Of the process that trains. Default: as many as this one's.

    Raises:
        FileNotFoundError: No such config.
        ValueError: ``episode_iters`` below 1, an invalid window or factor, another ``observes``.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any],
        window: int | str | Mapping[str, Any],
        episode_iters: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        last_layer: str | None = None,
        observes: str = "layers",
        score: Mapping[str, Any] | None = None,
        draws: Sequence[Mapping[str, Any]] = (),
        num_threads: int | None = None,
    ) -> None:
        if observes not in ("layers", "groups"):
            raise ValueError(wrong("observes", observes, "'layers' or 'groups'"))
        if isinstance(config, (str, Path)):
            self.config = Config.fromfile(config)
        else:
            self.config = Config(copy.deepcopy(dict(config)))
        if episode_iters is not None and episode_iters < 1:
            raise ValueError(wrong("episode_iters", episode_iters, "an integer >= 1, or None"))
        WindowRule(window)
        if score is not None:
            self.config.score = dict(score)
        self.config.merge_from_dict(dict(overrides or {}))
        self.episode_iters = episode_iters
        self.draws = EpisodeDraws(draws)
        self.num_threads = num_threads
        self._arguments = (window, episode_iters, last_layer, observes)
        self._process: _EpisodeProcess | None = None
        self._window: EnvironmentStep | None = None

    @property
    def group_names(self) -> list[str]:
        """The layer groups of the current episode, in the policy's order."""
        if self._window is None:
            raise RuntimeError("TrainingEnvironment.reset must be called first.")
        return list(self._window.group_names)

    def reset(self, seed: int) -> EnvironmentStep:
        """Begin a new training and train its first window at multiplier 1.

        Args:
            seed: Of the training, and of what is drawn for it.
        """
        if self._process is None:
            threads = self.num_threads or torch.get_num_threads()
            self._process = _EpisodeProcess(threads, self.config.to_dict(), *self._arguments)
        self._window = self._process.ask(("reset", (seed, self.draws(seed))))
        return self._window

    def step(self, multipliers: Sequence[float]) -> EnvironmentStep:
        """Train the next window with these multipliers, one per layer group."""
        if self._process is None or self._window is None:
            raise RuntimeError("TrainingEnvironment.reset must be called before step.")
        if self._window.done:
            raise RuntimeError(
                "The episode is over: reset the environment, or give it a longer training."
            )
        if len(multipliers) != len(self._window.group_names):
            allowed = f"{len(self._window.group_names)} numbers"
            raise ValueError(wrong("multipliers", list(multipliers), allowed))
        self._window = self._process.ask(("step", [float(m) for m in multipliers]))
        return self._window

    def close(self) -> None:
        """Let the current training go."""
        if self._process is not None:
            self._process.end()
        self._process = self._window = None


def build_environments(
    given: Mapping[str, Any] | Sequence[Mapping[str, Any]], **more: Any
) -> list[TrainingEnvironment]:
    """Build the environments of ``train_cfg.environments``.

    Args:
        given: One's arguments, or a list of them.
        **more: Further arguments of all.
    """
    if isinstance(given, Mapping):
        given = [given]
    return [TrainingEnvironment(**arguments, **more) for arguments in given]


class _EpisodeProcess:
    """A process that trains one episode after another, and the pipe to it."""

    def __init__(self, num_threads: int, *arguments: Any) -> None:
        known = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context(
            "forkserver" if "forkserver" in known else "spawn"
        )
        if "forkserver" in known:
            # Imported once and not for every environment; the second is what a runner needs late.
            context.set_forkserver_preload([__name__, "matplotlib.pyplot"])
        device = torch.cuda.current_device() if torch.cuda.is_initialized() else None
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, num_threads, device, *arguments),
            name="environment",
        )
        self._process.start()
        theirs.close()
        self.end = weakref.finalize(self, _end, self._connection, self._process)
        # Before multiprocessing's own, which waits for the processes that are left.
        atexit.register(self.end)

    def ask(self, message: tuple[str, Any]) -> EnvironmentStep:
        """Send a request and wait for the window that answers it."""
        try:
            self._connection.send(message)
            reply, trace = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise RuntimeError(
                f"The environment's process ended by itself (exit code {self._process.exitcode}). "
                "An exit code of -9 is most often a lack of memory: take smaller batches or crops "
                "(TrainingEnvironment.overrides)."
            ) from None
        if isinstance(reply, Exception):
            raise reply from RuntimeError(f"in the environment's process:\n{trace}")
        return reply


def _end(connection: Connection, process: Any) -> None:
    connection.close()
    process.terminate()
    process.join()


class _Reset(Exception):
    """Another episode is asked for in the middle of one."""


def _serve(
    connection: Connection,
    num_threads: int,
    device: int | None,
    config: dict[str, Any],
    window: Any,
    episode_iters: int | None,
    last_layer: str | None,
    observes: str,
) -> None:
    """Train episodes as asked for, until the other end is closed."""
    torch.set_num_threads(num_threads)
    if device is not None:
        torch.cuda.set_device(device)
    asked: tuple[int, dict[str, Any]] | None = None

    def answer(step: EnvironmentStep) -> Sequence[float]:
        nonlocal asked
        connection.send((step, None))
        if step.done:
            return ()
        request, value = connection.recv()
        if request == "reset":
            asked = value
            raise _Reset
        return value

    try:
        while True:
            if asked is None:
                _, asked = connection.recv()
            (seed, drawn), asked = asked, None
            try:
                drawn_config = Config(copy.deepcopy(config))
                for key, value in drawn.items():  # one after another: a later may be within
                    drawn_config.merge_from_dict({key: value})
                if config.get("custom_imports"):
                    import_modules_from_strings(**config["custom_imports"])
                arguments = (window, episode_iters, last_layer, observes)
                train_episode(drawn_config.to_dict(), seed, answer, *arguments)
            except _Reset:
                continue
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                connection.send((_plain(error), traceback.format_exc()))
    except (EOFError, ConnectionError):
        return  # nobody asks any more


def _plain(error: Exception) -> Exception:
    """The error with its message alone, where it cannot be sent as it is."""
    kind = type(error) if type(error).__module__ == "builtins" else RuntimeError
    return kind(str(error)) if len(error.args) <= 1 else RuntimeError(str(error))
