"""What the paper's policy observes of a training run, window by window.

:class:`LayerLRHook` observes. Who chooses is the subclass's business: a finished policy
(:class:`~mmasg.l2o.LayerLRPolicyHook`), or the loop that trains one
(:class:`~mmasg.l2o.TrainingEnvironment`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import Runner
from torch import Tensor

from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .last_layer import LastLayer
from .observation import SCALARS, WindowStatistics, make_observation, split_losses
from .windowed_rates_hook import WindowedRatesHook, mean_over_processes


class LayerLRHook(WindowedRatesHook):
    """Base of the hooks that set layer-wise learning rates as the paper does.

    Each iteration adds the losses before the step and the last layer's weight statistics after it
    to the window's means; with several processes the mean over them.

    Args:
        window: See :class:`~mmasg.l2o.WindowRule`.
        last_layer: See :class:`~mmasg.l2o.LastLayer`.
    """

    state_key = "layer_lr"

    def __init__(
        self, window: int | str | Mapping[str, Any], last_layer: str | None = None
    ) -> None:
        if last_layer is not None and not isinstance(last_layer, str):
            raise TypeError(wrong("last_layer", last_layer, "a module's dotted name"))
        super().__init__(window)
        self._last_layer_name = last_layer
        self.statistics = WindowStatistics()
        self._last_layer: LastLayer | None = None

    def settings(self) -> dict[str, Any]:
        """Adds the last layer's name."""
        return dict(super().settings(), last_layer=self._last_layer_name)

    def before_train(self, runner: Runner) -> None:
        """Find the last layer, and begin or go on.

        Raises:
            ValueError: See :class:`LastLayer` and :class:`WindowRule`; a run resumed with other
                settings.
        """
        self._last_layer = LastLayer(unwrap(runner.model), self._last_layer_name)
        super().before_train(runner)

    def add_iteration(self, runner: Runner, outputs: Mapping[str, Any]) -> None:
        """Add the losses and the last layer's weights."""
        assert self._last_layer is not None
        task_loss, distance = split_losses(outputs, self.distance)
        progress = runner.iter / runner.max_iters
        reduce = mean_over_processes if get_world_size() > 1 else None
        self.statistics.add(task_loss, distance, progress, self._last_layer.weight, reduce)

    def after_train(self, runner: Runner) -> None:
        """Leave optimizer and model alone again."""
        super().after_train(runner)
        if self._last_layer is not None:
            self._last_layer.close()

    def observation(self, scalars: Tensor) -> Tensor:
        """What the policy sees, (1, 5 + G): the window's means and its multipliers."""
        assert self.rates is not None
        return make_observation(scalars, self.rates.multipliers)


def observation_log(scalars: Tensor) -> dict[str, float]:
    """Log entries of an observation's scalars."""
    return {
        f"lr_policy/obs/{name}": float(value) for name, value in zip(SCALARS, scalars, strict=True)
    }
