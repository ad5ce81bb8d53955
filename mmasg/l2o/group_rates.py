"""Multiplies every layer group's scheduled rate for the optimizer's step, and for it alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch.optim import Optimizer

from mmasg.optim.named_groups import group_names
from mmasg.optim.step_rates import StepRates


class GroupRates:
    """Layer groups of an optimizer and the multiplier of each (ASG, section 3.2).

    The schedule's rate stays in ``param_group['lr']``, see :class:`~mmasg.optim.StepRates`.

    Every entry of ``optimizer.param_groups`` must say its layer group by ``group_name`` and
    ``group_index``; entries may share one (different weight decays).

    Args:
        optimizer: The torch optimizer itself, not its wrapper.
        who: Who multiplies, for the messages.

    Raises:
        ValueError: Groups without names, indices that do not count 0..G-1, or an ``lr_mult``
            other than 1 (the policy's multiplier takes its place).
    """

    def __init__(self, optimizer: Optimizer, who: str = "LayerLRPolicyHook") -> None:
        self.optimizer = optimizer
        self.names = group_names(optimizer, who)
        self.multipliers: list[float] = [1.0] * len(self.names)

    @property
    def num_groups(self) -> int:
        """Number of layer groups, G."""
        return len(self.names)

    def sizes(self) -> list[list[str | int]]:
        """Name and number of weights of each group, in the groups' order."""
        counts = [0] * self.num_groups
        for group in self.optimizer.param_groups:
            counts[group["group_index"]] += sum(p.numel() for p in group["params"])
        return [[name, count] for name, count in zip(self.names, counts, strict=True)]

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
        StepRates.of(self.optimizer).add(self.optimizer, self._multiply)

    def detach(self) -> None:
        """Stop multiplying."""
        StepRates.of(self.optimizer).remove(self._multiply)

    def _multiply(self, optimizer: Optimizer) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * self.multipliers[group["group_index"]]
