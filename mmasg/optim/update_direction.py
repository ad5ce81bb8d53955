"""The update that an optimizer's next step would make, per unit of its rate.

Of SGD, Adam and AdamW as torch has them, in every setting that is linear in the rate: a step is
``p -= lr * u`` with ``u`` independent of ``lr``, computed here from the gradients and the
optimizer's state, which are left as they are.

Tensor by tensor and not by torch's calls for lists: one of them at a time stays in the cache of a
CPU, and a group's updates need no memory of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer


def has_direction(optimizer: Optimizer) -> bool:
    """Whether :func:`update_direction` knows this optimizer (subclasses may step otherwise)."""
    return type(optimizer) in (SGD, Adam, AdamW)


@torch.no_grad()
def update_direction(optimizer: Optimizer, group: dict[str, Any]) -> Iterator[Tensor]:
    """Yield ``u`` of every parameter of a group that has a gradient.

    Args:
        optimizer: One that :func:`has_direction`.
        group: One of its ``param_groups``.

    Yields:
        New tensors, of the parameters' shapes; the step will be ``p -= group['lr'] * u``.
    """
    direction = _sgd if isinstance(optimizer, SGD) else _adam
    decay = group["weight_decay"]
    # torch < 2.7 has AdamW as a class of its own, without the flag.
    decoupled = group.get("decoupled_weight_decay", isinstance(optimizer, AdamW))
    scale = getattr(optimizer, "grad_scale", None)  # a fused optimizer under a GradScaler
    for param in group["params"]:
        if param.grad is None:
            continue
        grad = param.grad
        if scale is not None:
            grad = grad / scale
        if group["maximize"]:
            grad = -grad
        if decay and not decoupled:
            grad = torch.add(grad, param, alpha=decay)
        update = direction(group, grad, optimizer.state.get(param) or {})
        yield update.add_(param, alpha=decay) if decay and decoupled else update


def _sgd(group: dict[str, Any], grad: Tensor, state: dict[str, Any]) -> Tensor:
    momentum = group["momentum"]
    buffer = state.get("momentum_buffer")
    if not momentum or buffer is None:
        inner = grad.clone()  # the first gradient enters the buffer whole
    else:
        held_back = group["dampening"]
        new = grad * (1 - held_back) if held_back else grad
        inner = torch.add(new, buffer, alpha=momentum)
    return torch.add(grad, inner, alpha=momentum) if group["nesterov"] else inner


def _adam(group: dict[str, Any], grad: Tensor, state: dict[str, Any]) -> Tensor:
    beta1, beta2 = (float(beta) for beta in group["betas"])
    step = float(state["step"]) + 1 if state else 1.0
    first = torch.lerp(state["exp_avg"], grad, 1 - beta1) if state else grad * (1 - beta1)
    second = state["exp_avg_sq"] * beta2 if state else torch.zeros_like(grad)
    second.addcmul_(grad, grad, value=1 - beta2)
    if state and group["amsgrad"]:
        second = torch.maximum(state["max_exp_avg_sq"], second)
    # first / c1 / (sqrt(second) / c2 + eps), with c2 taken out of the brackets.
    c1, c2 = 1 - beta1**step, (1 - beta2**step) ** 0.5
    return first.div_(second.sqrt_().add_(group["eps"] * c2)).mul_(c2 / c1)
