"""Optimizers that find a rate by themselves, told by what they are rather than by their names."""

from __future__ import annotations

import inspect

from mmengine.runner import Runner
from torch.optim import Optimizer, SparseAdam

from mmasg.errors import wrong


def swaps_weights(optimizer: Optimizer) -> bool:
    """Whether it is schedule-free (Defazio et al. 2024), with weights of two modes."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def takes_one_rate(optimizer: Optimizer) -> bool:
    """Whether it estimates one rate for all groups, as D-Adaptation and Prodigy do.

    Defazio and Mishchenko 2023, Mishchenko and Defazio 2024: the estimate ``d`` of the distance to
    the solution stands in every parameter group, in all packages that have them.
    """
    return any("d" in group for group in optimizer.param_groups)


def why_not_rescaled(optimizer: Optimizer) -> str | None:
    """Say why an optimizer's update cannot be brought to another length; None where it can.

    Args:
        optimizer: Any.

    Returns:
        The reason, as what follows "Here".
    """
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        return "it evaluates a closure several times a step"
    if isinstance(optimizer, SparseAdam):
        return "it takes sparse gradients"
    if swaps_weights(optimizer):
        return "it swaps the weights between training and evaluation (schedule-free)"
    if takes_one_rate(optimizer):
        return "it estimates its rate from steps that nobody else has changed"
    if any("reps_rel" in group for group in optimizer.param_groups):
        return "it takes its rate from the distance that its own steps have gone (DoG)"
    return None


def check_weights_are_swapped(runner: Runner) -> None:
    """Check that a schedule-free optimizer has the hook that calls its ``train`` and ``eval``.

    Raises:
        ValueError: It has none, and validation and checkpoints would have the wrong weights.
    """
    optimizer = getattr(runner.optim_wrapper, "optimizer", None)
    hooks = [type(hook).__name__ for hook in runner.hooks]
    if optimizer is not None and swaps_weights(optimizer) and "ScheduleFreeHook" not in hooks:
        raise ValueError(
            wrong(
                "custom_hooks",
                hooks,
                f"with ScheduleFreeHook, as {type(optimizer).__name__} trains one set of weights "
                "and is meant to be used with another",
                "Add dict(type='ScheduleFreeHook').",
            )
        )
