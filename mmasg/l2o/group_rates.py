"""Multiplies every layer group's scheduled rate for the optimizer's step, and for it alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

_CONSTRUCTOR_HINT = (
    "set optim_wrapper=dict(constructor='LayerGroupOptimWrapperConstructor', "
    "paramwise_cfg=dict(preset=...) or dict(groups=[...]), ...)"
)


class GroupRates:
    """Layer groups of an optimizer and the multiplier of each (ASG, section 3.2).

    The schedule's rate stays in ``param_group['lr']``, where schedulers read and write it. A
    step pre-hook of the optimizer multiplies it and a post-hook puts the scheduled value back, so
    the product never compounds, and clipping, gradient scalers and accumulation need no care: the
    hooks run exactly when weights are about to change.

    Every entry of ``optimizer.param_groups`` must say its layer group by ``group_name`` and
    ``group_index``; entries may share one (different weight decays).

    Args:
        optimizer: The torch optimizer itself, not its wrapper.

    Raises:
        ValueError: Groups without names, indices that do not count 0..G-1, or an ``lr_mult``
            other than 1 (the policy's multiplier takes its place).
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.names = _group_names(optimizer)
        self.multipliers: list[float] = [1.0] * len(self.names)
        self._num_entries = len(optimizer.param_groups)
        self._scheduled: list[Any] | None = None
        self._handles: list[Any] = []

    @property
    def num_groups(self) -> int:
        """Number of layer groups, G."""
        return len(self.names)

    def set(self, multipliers: Sequence[float]) -> None:
        """Use these G multipliers from the next step on."""
        if len(multipliers) != self.num_groups:
            raise ValueError(f"Expected {self.num_groups} multipliers, got {len(multipliers)}.")
        self.multipliers = [float(m) for m in multipliers]

    def effective(self) -> list[float]:
        """Each group's multiplier times its scheduled rate at this moment."""
        rates = [0.0] * self.num_groups
        for group in self.optimizer.param_groups:
            index = group["group_index"]
            rates[index] = float(group["lr"]) * self.multipliers[index]
        return rates

    def attach(self) -> None:
        """Start multiplying at every ``optimizer.step``."""
        if not self._handles:
            self._handles = [
                self.optimizer.register_step_pre_hook(self._before_step),
                self.optimizer.register_step_post_hook(self._after_step),
            ]

    def detach(self) -> None:
        """Stop multiplying."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._scheduled is not None:
            # The step before raised between the two hooks: its rates are still multiplied.
            self._restore()
        groups = optimizer.param_groups
        if len(groups) != self._num_entries:
            raise RuntimeError(
                f"The optimizer had {self._num_entries} parameter groups when the training began "
                f"and has {len(groups)} now. Layer-wise rates need fixed groups: freeze or "
                "unfreeze parameters before the training, and drop the scheduler or hook that "
                "adds or removes groups."
            )
        self._scheduled = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] = group["lr"] * self.multipliers[group["group_index"]]

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._restore()

    def _restore(self) -> None:
        assert self._scheduled is not None
        for group, rate in zip(self.optimizer.param_groups, self._scheduled, strict=True):
            group["lr"] = rate
        self._scheduled = None


def _group_names(optimizer: Optimizer) -> list[str]:
    names: dict[int, str] = {}
    for entry in optimizer.param_groups:
        if "group_name" not in entry or "group_index" not in entry:
            raise ValueError(
                "The policy sets the rates of layer groups, but the optimizer's parameter groups "
                f"carry no `group_name` and `group_index`: {_CONSTRUCTOR_HINT}."
            )
        mult = entry.get("lr_mult", 1.0)
        if mult != 1:
            raise ValueError(
                f"Layer group '{entry['group_name']}' has lr_mult={mult}, but the policy's "
                "multiplier takes the place of the hand-set one: drop `lr_mult` from "
                "optim_wrapper.paramwise_cfg (with a preset: lr_mult=1.0)."
            )
        index = int(entry["group_index"])
        if names.setdefault(index, entry["group_name"]) != entry["group_name"]:
            raise ValueError(
                f"Layer group {index} has two names, '{names[index]}' and "
                f"'{entry['group_name']}': {_CONSTRUCTOR_HINT}."
            )
    if sorted(names) != list(range(len(names))):
        raise ValueError(
            f"The layer groups' indices must be 0..{len(names) - 1}, got {sorted(names)}: "
            f"{_CONSTRUCTOR_HINT}."
        )
    return [names[i] for i in range(len(names))]
