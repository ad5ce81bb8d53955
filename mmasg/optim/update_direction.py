"""The update that an optimizer's next step would make, per unit of its rate.

Of SGD, Adam and AdamW as torch has them, in every setting that is linear in the rate: a step is
``p -= lr * u`` with ``u`` independent of ``lr``, computed here from the gradients and the
optimizer's state, which are left as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer


def has_direction(optimizer: Optimizer) -> bool:
    """Whether :func:`update_direction` knows this optimizer (subclasses may step otherwise)."""
    return type(optimizer) in (SGD, Adam, AdamW)


@torch.no_grad()
def update_direction(optimizer: Optimizer, group: dict[str, Any]) -> list[Tensor]:
    """Return ``u`` of every parameter of a group that has a gradient.

    Args:
        optimizer: One that :func:`has_direction`.
        group: One of its ``param_groups``.

    Returns:
        New tensors, of the parameters' shapes; the step will be ``p -= group['lr'] * u``.
    """
    params = [p for p in group["params"] if p.grad is not None]
    if not params:
        return []
    grads = [p.grad for p in params]
    scale = getattr(optimizer, "grad_scale", None)  # a fused optimizer under a GradScaler
    if scale is not None:
        grads = list(torch._foreach_div(grads, scale))
    if group["maximize"]:
        grads = list(torch._foreach_neg(grads))
    states = [optimizer.state.get(p, {}) for p in params]
    if isinstance(optimizer, SGD):
        return _sgd(group, params, grads, states)
    return _adam(optimizer, group, params, grads, states)


def _sgd(group: dict, params: list, grads: list, states: list) -> list[Tensor]:
    if group["weight_decay"]:
        grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
    momentum = group["momentum"]
    if not momentum:
        return [g.clone() for g in grads] if not group["weight_decay"] else grads
    buffers = [
        g.clone()
        if (b := state.get("momentum_buffer")) is None
        # The first gradient enters the buffer whole, later ones with 1 - dampening.
        else torch.add(b * momentum, g, alpha=1 - group["dampening"])
        for g, state in zip(grads, states, strict=True)
    ]
    if group["nesterov"]:
        return list(torch._foreach_add(grads, buffers, alpha=momentum))
    return buffers


def _adam(
    optimizer: Optimizer, group: dict, params: list, grads: list, states: list
) -> list[Tensor]:
    decay = group["weight_decay"]
    # torch < 2.7 has AdamW as a class of its own, without the flag.
    decoupled = group.get("decoupled_weight_decay", isinstance(optimizer, AdamW))
    if decay and not decoupled:
        grads = list(torch._foreach_add(grads, params, alpha=decay))
    beta1, beta2 = (float(beta) for beta in group["betas"])
    directions = []
    for param, grad, state in zip(params, grads, states, strict=True):
        step = float(state["step"]) + 1 if state else 1.0
        first = torch.lerp(state["exp_avg"], grad, 1 - beta1) if state else grad * (1 - beta1)
        second = (grad * grad).mul_(1 - beta2)
        if state:
            second.add_(state["exp_avg_sq"], alpha=beta2)
            if group["amsgrad"]:
                second = torch.maximum(state["max_exp_avg_sq"], second)
        root = second.sqrt_().div_((1 - beta2**step) ** 0.5).add_(group["eps"])
        direction = first.div_(root).div_(1 - beta1**step)
        if decay and decoupled:
            direction.add_(param, alpha=decay)
        directions.append(direction)
    return directions
