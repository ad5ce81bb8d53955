"""Norms of the weights of a layer group, and of the updates that they are about to get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from .named_groups import own_parameters
from .update_direction import update_direction


def by_name(optimizer: Optimizer) -> dict[str, list[dict[str, Any]]]:
    """Return the optimizer's groups by their layer group: several differ in weight decay."""
    groups: dict[str, list[dict]] = {}
    for entry in optimizer.param_groups:
        groups.setdefault(entry["group_name"], []).append(entry)
    return groups


def params_of(entries: Iterable[dict[str, Any]]) -> list[Tensor]:
    """Return the model's parameters of a layer group."""
    return [p for entry in entries for p in own_parameters(entry)]


def norm_of_updates(
    optimizer: Optimizer, entries: Sequence[dict[str, Any]], counted: Iterable[Tensor]
) -> Tensor:
    """Return the norm of what the next step would change, per unit of the rate.

    Args:
        optimizer: One whose direction is known.
        entries: A layer group's entries of ``param_groups``.
        counted: The parameters whose norms count.
    """
    ids = {id(p) for p in counted}
    owns = [own_parameters(entry) for entry in entries]
    moved = (p for own in owns for p in own if p.grad is not None)
    directions = (
        u
        for entry, own in zip(entries, owns, strict=True)
        for u in update_direction(optimizer, {**entry, "params": own})
    )
    return norm(u for p, u in zip(moved, directions, strict=True) if id(p) in ids)


def norm_of_changes(
    params: Sequence[Tensor], before: Sequence[Tensor], counted: Iterable[Tensor]
) -> Tensor:
    """Return the norm of what has changed of parameters, of those that count."""
    ids = {id(p) for p in counted}
    return norm(p - b for p, b in zip(params, before, strict=True) if id(p) in ids)


def norm(tensors: Iterable[Tensor]) -> Tensor:
    """L2 norm over all elements of all tensors, float32; of sharded ones over all their parts."""
    # One after another: of what a generator makes, one tensor at a time is there.
    norms = [torch.linalg.vector_norm(t, dtype=torch.float32) for t in tensors]
    norms = [n.full_tensor() if hasattr(n, "full_tensor") else n for n in norms]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())
