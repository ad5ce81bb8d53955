"""What is said of a training step: its losses, its groups' rates and gradient norms."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import OptimWrapperDict
from torch import Tensor


def wrappers(wrapper: Any) -> list[Any]:
    """The single optimizer wrappers: of an ``OptimWrapperDict`` its values."""
    return list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]


def mode_of(args: tuple, kwargs: dict) -> str | None:
    """The mode of a call of a model's ``forward``."""
    return kwargs.get("mode", args[2] if len(args) > 2 else None)


def mean_loss(value: Any) -> Tensor:
    """A loss as mmengine sums it: a tensor's mean, or the sum of means of a list."""
    if isinstance(value, (list, tuple)):
        return torch.stack([mean_loss(v) for v in value]).sum()
    return value.detach().mean() if isinstance(value, Tensor) else torch.tensor(float(value))


def local_gradients(groups: list[dict]) -> list[Tensor]:
    """The gradients of parameter groups, of sharded ones this rank's part."""
    grads = [p.grad for group in groups for p in group["params"] if p.grad is not None]
    # Of a sharded gradient this rank's part: the ranks' findings are combined afterwards.
    return [g.to_local() if hasattr(g, "to_local") else g for g in grads]


def describe_groups(wrapper: Any) -> list[dict]:
    """Name, rate and gradient norm of every parameter group of an optimizer wrapper.

    Groups of an ``OptimWrapperDict`` are named ``optimizer.group``.
    """
    if isinstance(wrapper, OptimWrapperDict):
        return [
            dict(group, name=f"{key}.{group['name']}")
            for key, single in wrapper.items()
            for group in describe_groups(single)
        ]
    scaler = getattr(wrapper, "loss_scaler", None)
    scale = scaler.get_scale() if scaler is not None else 1.0
    described = []
    for index, group in enumerate(wrapper.optimizer.param_groups):
        norms = [g.float().norm() for g in local_gradients([group])]
        norm = torch.stack(norms).norm().item() / scale if norms else 0.0
        name = str(group.get("group_name", index))
        described.append(dict(name=name, lr=float(group["lr"]), grad_norm=norm))
    return described
