"""What a training run needs so that its layer-wise rates can be chosen window by window.

:class:`LayerLRHook` observes, counts windows and applies multipliers. Who chooses them is the
subclass's business: a finished policy (:class:`~mmasg.l2o.LayerLRPolicyHook`), or the loop that
trains one (:class:`~mmasg.l2o.TrainingEnvironment`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook, LoggerHook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from mmasg.consistency import ImageNetConsistencyHook
from mmasg.errors import wrong
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.wrapped_model import unwrap

from .group_rates import GroupRates
from .last_layer import LastLayer
from .observation import CONSISTENCY_KL, SCALARS, WindowStatistics, make_observation, split_losses
from .windows import WindowRule


class LayerLRHook(Hook, ABC):
    """Base of the hooks that set layer-wise learning rates at the end of every window.

    Each iteration adds the losses before the step and the last layer's weight statistics after it
    to the window's means; with several processes the mean over them. Multipliers act within
    ``optimizer.step`` only. With gradient accumulation a window still counts iterations.

    The hook's state travels with the checkpoint, so a run resumed in the middle of a window goes
    on as if it had not stopped; resumed with other :meth:`settings` it stops with an error.

    Args:
        window: See :class:`~mmasg.l2o.WindowRule`.
        last_layer: See :class:`~mmasg.l2o.LastLayer`.
    """

    # Before the logger (BELOW_NORMAL) and the parameter schedulers (LOW), so that the rates seen
    # here are those of the iteration just done; before the checkpoint (VERY_LOW), which then holds
    # the decision.
    priority = "NORMAL"
    state_key = "layer_lr"

    def __init__(
        self, window: int | str | Mapping[str, Any], last_layer: str | None = None
    ) -> None:
        if last_layer is not None and not isinstance(last_layer, str):
            raise TypeError(wrong("last_layer", last_layer, "a module's dotted name"))
        self._window_config = window
        self.window = WindowRule(window)
        self._last_layer_name = last_layer
        self.statistics = WindowStatistics()
        self.window_length = 0
        self.rates: GroupRates | None = None
        self.distance = CONSISTENCY_KL
        self._trained_with: dict[str, Any] = {}
        self._last_layer: LastLayer | None = None
        self._loaded: dict[str, Any] | None = None

    # -- what a subclass adds ------------------------------------------------------------------

    def begin(self, runner: Runner) -> None:
        """A new run begins: the first window, by default with every multiplier at 1."""
        assert self.rates is not None
        self.rates.set([1.0] * self.rates.num_groups)

    @abstractmethod
    def window_done(self, runner: Runner, scalars: Tensor, last: bool) -> None:
        """A window ended, the last one possibly short.

        Args:
            runner: The runner of the training.
            scalars: The window's means, (5,), equal on every process.
            last: Whether the run ends here, so that no window follows.
        """

    def settings(self) -> dict[str, Any]:
        """What decides the rates, by config key, as plain values: a run resumes with the same."""
        assert self.rates is not None
        return dict(
            window=self.window.settings(),
            last_layer=self._last_layer_name,
            layer_groups=self.rates.sizes(),
        )

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
        self.rates = GroupRates(wrapper.optimizer)
        TrainingCheckHook.join(runner)
        # Now, as resuming puts the checkpoint's names and rates into the optimizer.
        self._trained_with = self.settings()

    def before_train(self, runner: Runner) -> None:
        """Find the last layer, and begin or go on.

        Raises:
            ValueError: See :class:`LastLayer` and :class:`WindowRule`; a run resumed with other
                settings.
        """
        assert self.rates is not None
        model = unwrap(runner.model)
        self._last_layer = LastLayer(model, self._last_layer_name)
        self.window = WindowRule(self._window_config)
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self.window.bind(len(runner.train_dataloader) if by_epoch else None, runner.max_iters)
        for hook in runner.hooks:
            if isinstance(hook, ImageNetConsistencyHook):
                self.distance = hook.loss.log_name  # type: ignore[assignment]
        if runner.iter > 0 and self._loaded is not None:
            self._go_on(self._loaded, next(model.parameters()).device)
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
        assert self._last_layer is not None
        task_loss, distance = split_losses(outputs or {}, self.distance)
        progress = runner.iter / runner.max_iters
        reduce = _mean_over_processes if get_world_size() > 1 else None
        self.statistics.add(task_loss, distance, progress, self._last_layer.weight, reduce)
        done = runner.iter + 1
        last = done >= runner.max_iters  # the run may end within a window
        if last or self.statistics.count >= self.window_length:
            scalars = self.statistics.mean()
            self.statistics.reset()
            self.window_length = self.window.length(done)
            self.window_done(runner, scalars, last)
        elif _logger_writes_now(runner, batch_idx):
            self.write_rates(runner, step=runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Leave the optimizer alone again."""
        if self.rates is not None:
            self.rates.detach()
        if self._last_layer is not None:
            self._last_layer.close()

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

    def observation(self, scalars: Tensor) -> Tensor:
        """What the policy sees, (1, 5 + G): the window's means and its multipliers."""
        assert self.rates is not None
        return make_observation(scalars, self.rates.multipliers)

    def write_rates(self, runner: Runner, step: int, **extra: float) -> None:
        """Write multipliers, effective rates and ``extra`` to the log files, not the console."""
        assert self.rates is not None
        values: dict[str, float] = {}
        for name, multiplier, rate in zip(
            self.rates.names, self.rates.multipliers, self.rates.effective(), strict=True
        ):
            values[f"lr_mult/{name}"] = multiplier
            values[f"lr/{name}"] = rate
        values.update(extra)
        runner.visualizer.add_scalars(values, step=step, file_path=f"{runner.timestamp}.json")

    def _go_on(self, state: Mapping[str, Any], device: Any) -> None:
        assert self.rates is not None
        self.rates.set(state["multipliers"])
        self.window_length = state["window_length"]
        self.statistics.load_state_dict(state["statistics"], device)
        self.load_extra_state(state)


def observation_log(scalars: Tensor) -> dict[str, float]:
    """Log entries of an observation's scalars."""
    return {
        f"lr_policy/obs/{name}": float(value) for name, value in zip(SCALARS, scalars, strict=True)
    }


def _mean_over_processes(row: Tensor) -> None:
    # Every iteration rather than at decisions: the sums are then equal everywhere, and the first
    # process's checkpoint is exact for all of them.
    all_reduce(row, op="mean")


def _logger_writes_now(runner: Runner, batch_idx: int) -> bool:
    return any(
        isinstance(hook, LoggerHook) and hook.every_n_inner_iters(batch_idx, hook.interval)
        for hook in runner.hooks
    )
