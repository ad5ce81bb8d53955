"""The layer groups of an optimizer that the constructor has built."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.optim import Optimizer

from mmasg.guard.own_rates import takes_one_rate

CONSTRUCTOR_HINT = (
    "set optim_wrapper=dict(constructor='LayerGroupOptimWrapperConstructor', "
    "paramwise_cfg=dict(preset=...) or dict(groups=[...]), ...)"
)


def group_names(optimizer: Optimizer, who: str) -> list[str]:
    """Return the layer groups' names in their order.

    Every entry of ``optimizer.param_groups`` says its layer group by ``group_name`` and
    ``group_index``; entries may share one (different weight decays).

    Args:
        optimizer: The torch optimizer itself, not its wrapper.
        who: What sets the rates, at the beginning of a message: ``'The policy'``.

    Raises:
        ValueError: Groups without names, indices that do not count 0..G-1, an ``lr_mult`` that a
            hand has set, or an optimizer that estimates one rate for all groups.
    """
    if takes_one_rate(optimizer):
        raise ValueError(
            f"{who} sets the rates of layer groups, but {type(optimizer).__name__} estimates one "
            "rate for all of them from steps that nobody else has changed: take another optimizer "
            "(optim_wrapper.optimizer.type), or leave the hook out."
        )
    names: dict[int, str] = {}
    within = who.replace("The ", "the ", 1)  # the policy, or the name of a hook
    for entry in optimizer.param_groups:
        if "group_name" not in entry or "group_index" not in entry:
            raise ValueError(
                f"{who} sets the rates of layer groups, but the optimizer's parameter groups "
                f"carry no `group_name` and `group_index`: {CONSTRUCTOR_HINT}."
            )
        mult = entry.get("lr_mult", 1.0)
        if mult != 1:
            raise ValueError(
                f"Layer group '{entry['group_name']}' has lr_mult={mult}, but {within} takes the "
                "place of the hand-set multiplier: drop `lr_mult` from "
                "optim_wrapper.paramwise_cfg (with a preset: lr_mult=1.0)."
            )
        index = int(entry["group_index"])
        if names.setdefault(index, entry["group_name"]) != entry["group_name"]:
            raise ValueError(
                f"Layer group {index} has two names, '{names[index]}' and "
                f"'{entry['group_name']}': {CONSTRUCTOR_HINT}."
            )
    if sorted(names) != list(range(len(names))):
        raise ValueError(
            f"The layer groups' indices must be 0..{len(names) - 1}, got {sorted(names)}: "
            f"{CONSTRUCTOR_HINT}."
        )
    return [names[i] for i in range(len(names))]


def add_guests(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Train parameters that are no part of the model, at whatever rate the last group has.

    They are in its entry, so that schedules, clipping and gradient scalers see them, but do not
    count for the size of the group's weights and steps (:func:`own_parameters`).

    Args:
        optimizer: The torch optimizer itself.
        parameters: What a loss or a hook learns beside the model.
    """
    for parameter in parameters:
        parameter.is_guest = True  # type: ignore[attr-defined]
        optimizer.param_groups[-1]["params"].append(parameter)


def own_parameters(entry: dict) -> list[Tensor]:
    """Return the model's own parameters among those of an entry of ``param_groups``."""
    return [p for p in entry["params"] if not getattr(p, "is_guest", False)]
