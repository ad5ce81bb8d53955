"""The two sets of weights of a schedule-free optimizer, each where it belongs."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.optim import Optimizer

from mmasg.errors import wrong
from mmasg.guard.own_rates import swaps_weights
from mmasg.wrapped_model import unwrap

_STATE = "schedule_free"


@HOOKS.register_module()
class ScheduleFreeHook(Hook):
    """Validate, test and save the averaged weights of a schedule-free optimizer.

    Schedule-free optimizers (Defazio et al. 2024, "The Road Less Scheduled") take gradients at
    one point and are meant to be used at another, the average of the iterates. Validation runs on
    the average, and a checkpoint's weights are the average, so that a test needs nothing of this.
    The checkpoint also keeps the weights that gradients are taken at, bit by bit, so that neither
    saving nor validating changes the training and a resumed run goes on to the same numbers.

    BatchNorm layers that train have statistics of the other weights; keep them in eval mode
    (``eval_mode='all'`` of the consistency hook, ``EvalModeHook``), as the paper does.

    Raises:
        ValueError: Another optimizer, an ``EMAHook`` beside it, or a checkpoint to resume that
            was saved without this hook.

    Example:
        >>> optim_wrapper = dict(optimizer=dict(type='ScheduleFreeSGD', lr=0.5, warmup_steps=30))
        >>> param_scheduler = []
        >>> custom_hooks = [dict(type='ScheduleFreeHook')]
    """

    # Before whatever looks at the model after the training.
    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._optimizer: Any = None
        self._loaded: dict[str, Tensor] | None = None
        self._kept: list[Tensor] = []

    def trained_with(self) -> dict[str, Any]:
        """No settings; that the hook is there is what a resume compares."""
        return {}

    def before_train(self, runner: Runner) -> None:
        """Check the optimizer, and go on from the weights that gradients are taken at."""
        optimizer = getattr(runner.optim_wrapper, "optimizer", runner.optim_wrapper)
        if not isinstance(optimizer, Optimizer) or not swaps_weights(optimizer):
            raise ValueError(
                wrong(
                    "optim_wrapper.optimizer.type",
                    type(optimizer).__name__,
                    "a schedule-free optimizer beside ScheduleFreeHook, such as ScheduleFreeSGD",
                    "Leave the hook out for any other.",
                )
            )
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            remedy = "A schedule-free optimizer averages the weights by itself."
            raise ValueError(wrong("custom_hooks", "EMAHook", "ScheduleFreeHook alone", remedy))
        self._optimizer = optimizer
        if runner.iter > 0 and self._loaded is None:
            raise ValueError(
                "ScheduleFreeHook: the checkpoint to resume was saved without the hook, so the "
                "weights that gradients are taken at are not known. Start from its weights alone: "
                "load_from, without --resume."
            )
        if runner.iter > 0 and self._loaded is not None:
            with torch.no_grad():
                for name, weight in _trained(runner, optimizer).items():
                    weight.copy_(self._loaded[name])
        self._loaded = None
        self._optimizer.train()

    def before_val(self, runner: Runner) -> None:
        """Validate the average."""
        if self._optimizer is not None:
            self._average()

    def after_val(self, runner: Runner) -> None:
        """Go back to the very weights that were there."""
        if self._kept:
            self._back()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the average as the model's weights, and the others beside them."""
        if self._optimizer is None:
            return
        others = {n: w.detach().cpu().clone() for n, w in _trained(runner, self._optimizer).items()}
        self._average()
        for name, weight in _trained(runner, self._optimizer).items():
            checkpoint["state_dict"][name] = weight.detach().cpu().clone()
        self._back()
        checkpoint[_STATE] = others

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the other weights of a checkpoint; :meth:`before_train` knows if the run goes on."""
        self._loaded = checkpoint.get(_STATE)

    def after_train(self, runner: Runner) -> None:
        """Leave the average in the model."""
        self._optimizer.eval()
        self._optimizer = None

    @torch.no_grad()
    def _average(self) -> None:
        self._kept = [p.detach().clone() for p in _parameters(self._optimizer)]
        self._optimizer.eval()

    @torch.no_grad()
    def _back(self) -> None:
        # train() computes them from the average, which differs in the last bits.
        self._optimizer.train()
        for parameter, kept in zip(_parameters(self._optimizer), self._kept, strict=True):
            parameter.copy_(kept)
        self._kept = []


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _trained(runner: Runner, optimizer: Optimizer) -> dict[str, nn.Parameter]:
    """What the optimizer trains, by all its names in the model's state."""
    ours = {id(p) for p in _parameters(optimizer)}
    named = unwrap(runner.model).named_parameters(remove_duplicate=False)
    return {name: p for name, p in named if id(p) in ours}
