"""What a training run needs so that multipliers of its layer groups can be chosen window by window.

:class:`WindowedRatesHook` counts windows and applies multipliers. What is observed in a window, and
who chooses, is the business of subclasses: :class:`~mmasg.l2o.layer_lr_hook.LayerLRHook` observes
for the paper's policy, :class:`~mmasg.l2o.group_lr_hook.GroupLRHook` for the one of all groups.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from mmasg.consistency import ImageNetConsistencyHook
from mmasg.errors import wrong
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.optim.log_times import logger_writes_now
from mmasg.wrapped_model import unwrap

from .group_rates import GroupRates
from .observation import CONSISTENCY_KL
from .windows import WindowRule


class WindowedRatesHook(Hook, ABC):
    """Base of the hooks that choose multipliers of the layer groups at the end of every window.

    Multipliers act within ``optimizer.step`` only. With gradient accumulation a window still counts
    iterations.

    The hook's state travels with the checkpoint, so a run resumed in the middle of a window goes
    on as if it had not stopped; resumed with other :meth:`settings` it stops with an error.

    Args:
        window: See :class:`~mmasg.l2o.WindowRule`.
    """

    # Before the logger (BELOW_NORMAL) and the parameter schedulers (LOW), so that the rates seen
    # here are those of the iteration just done; before the checkpoint (VERY_LOW), which then holds
    # the decision.
    priority = "NORMAL"
    state_key = "windowed_rates"
    #: Running sums over the window: ``count``, ``mean()``, ``reset()`` and their state. Given by
    #: the subclass.
    statistics: Any

    def __init__(self, window: int | str | Mapping[str, Any]) -> None:
        self._window_config = window
        self.window = WindowRule(window)
        self.window_length = 0
        self.rates: GroupRates | None = None
        self.distance = CONSISTENCY_KL
        self._trained_with: dict[str, Any] = {}
        self._loaded: dict[str, Any] | None = None

    # -- what a subclass adds ------------------------------------------------------------------

    @abstractmethod
    def add_iteration(self, runner: Runner, outputs: Mapping[str, Any]) -> None:
        """Add an iteration to ``statistics``, in the same way on every process.

        Args:
            runner: The runner of the training.
            outputs: What the training step returned.
        """

    @abstractmethod
    def window_done(self, runner: Runner, seen: Any, last: bool) -> None:
        """A window ended, the last one possibly short.

        Args:
            runner: The runner of the training.
            seen: What ``statistics.mean()`` gives, equal on every process.
            last: Whether the run ends here, so that no window follows.
        """

    def begin(self, runner: Runner) -> None:
        """A new run begins: the first window, by default with every multiplier at 1."""
        assert self.rates is not None
        self.rates.set([1.0] * self.rates.num_groups)

    def settings(self) -> dict[str, Any]:
        """What decides the rates, by config key, as plain values: a run resumes with the same."""
        assert self.rates is not None
        return dict(window=self.window.settings(), layer_groups=self.rates.sizes())

    def extra_state(self) -> dict[str, Any]:
        """A subclass's own state, of tensors and plain values."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take up :meth:`extra_state`."""

    # -- hook points ---------------------------------------------------------------------------

    def before_run(self, runner: Runner) -> None:
        """Find the groups of a training; a run that only tests has no optimizer and needs none.

        Raises:
            TypeError: Several optimizers.
            ValueError: See :class:`GroupRates`.
        """
        wrapper = runner.optim_wrapper
        if wrapper is None or isinstance(wrapper, Mapping):
            return  # as the config has it: nothing trains
        if not isinstance(wrapper, OptimWrapper):
            remedy = f"{type(self).__name__} multiplies the rates of one optimizer."
            kind = type(wrapper).__name__
            raise TypeError(wrong("optim_wrapper", kind, "a single optimizer's wrapper", remedy))
        self.rates = GroupRates(wrapper.optimizer, type(self).__name__)
        TrainingCheckHook.join(runner)
        # Now, as resuming puts the checkpoint's names and rates into the optimizer.
        self._trained_with = self.settings()

    def before_train(self, runner: Runner) -> None:
        """Begin or go on.

        Raises:
            ValueError: See :class:`WindowRule`; a run resumed with other settings.
        """
        assert self.rates is not None
        self.window = WindowRule(self._window_config)
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self.window.bind(len(runner.train_dataloader) if by_epoch else None, runner.max_iters)
        for hook in runner.hooks:
            if isinstance(hook, ImageNetConsistencyHook):
                self.distance = hook.loss.log_name  # type: ignore[assignment]
        if runner.iter > 0 and self._loaded is not None:
            self._go_on(self._loaded, next(unwrap(runner.model).parameters()).device)
        else:  # a new run, from the weights of another one perhaps
            if runner.iter > 0:
                runner.logger.warning(
                    f"The checkpoint holds no state of {type(self).__name__}: the layer-wise "
                    "rates begin anew, with a first window."
                )
            self.statistics.reset()
            self.window_length = self.window.length(runner.iter)
            self.begin(runner)
        self._loaded = None
        self.rates.attach()
        self.write_rates(runner, step=runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Add the iteration to the window, and end the window where it is full."""
        self.add_iteration(runner, outputs or {})
        done = runner.iter + 1
        last = done >= runner.max_iters  # the run may end within a window
        if last or self.statistics.count >= self.window_length:
            seen = self.statistics.mean()
            self.statistics.reset()
            self.window_length = self.window.length(done)
            self.window_done(runner, seen, last)
        elif logger_writes_now(runner, batch_idx):
            self.write_rates(runner, step=runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Leave the optimizer alone again."""
        if self.rates is not None:
            self.rates.detach()

    def trained_with(self) -> dict[str, Any]:
        """:meth:`settings`, which :class:`~mmasg.guard.TrainingCheckHook` compares on resume."""
        return dict(self._trained_with)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the state into the checkpoint."""
        if self.rates is not None:
            checkpoint[self.state_key] = dict(
                multipliers=list(self.rates.multipliers),
                window_length=self.window_length,
                statistics=self.statistics.state_dict(),
                **self.extra_state(),
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the state of a checkpoint; :meth:`before_train` knows whether the run goes on."""
        self._loaded = checkpoint.get(self.state_key)

    # -- helpers -------------------------------------------------------------------------------

    def rates_log(self) -> dict[str, float]:
        """Log entries of the multipliers and effective rates."""
        assert self.rates is not None
        values: dict[str, float] = {}
        for name, multiplier, rate in zip(
            self.rates.names, self.rates.multipliers, self.rates.effective(), strict=True
        ):
            values[f"lr_mult/{name}"] = multiplier
            values[f"lr/{name}"] = rate
        return values

    def write_rates(self, runner: Runner, step: int, **extra: float) -> None:
        """Write :meth:`rates_log` and ``extra`` to the log files, not the console."""
        values = {**self.rates_log(), **extra}
        runner.visualizer.add_scalars(values, step=step, file_path=f"{runner.timestamp}.json")

    def _go_on(self, state: Mapping[str, Any], device: Any) -> None:
        assert self.rates is not None
        self.rates.set(state["multipliers"])
        self.window_length = state["window_length"]
        self.statistics.load_state_dict(state["statistics"], device)
        self.load_extra_state(state)


def mean_over_processes(row: Tensor) -> None:
    """Average values over processes in place.

    Every iteration rather than at decisions: the sums are then equal everywhere, and the first
    process's checkpoint is exact for all of them.
    """
    all_reduce(row, op="mean")
