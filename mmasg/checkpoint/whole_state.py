"""What all processes know together, for a checkpoint that one of them writes.

Two things are not whole on the process that writes: the tensors of a model that torch's
``fully_shard`` has spread over the processes, and gradients that are summed over several iterations
(``optim_wrapper.accumulative_counts``), of which each process holds its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from torch import Tensor, nn

GRADIENTS = "accumulated_gradients"
"""Key of the half-summed gradients in a checkpoint."""


def is_sharded(content: Any) -> bool:
    """Whether a model, or a nesting of dicts, lists and tuples, holds sharded tensors."""
    if isinstance(content, nn.Module):
        return any(map(is_sharded, content.parameters()))
    if isinstance(content, dict):
        return any(map(is_sharded, content.values()))
    if isinstance(content, (list, tuple)):
        return any(map(is_sharded, content))
    return hasattr(content, "full_tensor")  # torch's DTensor, without an import of it


def gather(content: Any) -> Any:
    """Put whole tensors on the CPU in place of sharded ones.

    Every process has to call it with its own part of the same content.

    Args:
        content: A state dict: any nesting of dicts, lists and tuples.

    Returns:
        The same with the keys, order and metadata that a model on one process has.
    """
    if isinstance(content, OrderedDict):
        whole = OrderedDict((key, gather(value)) for key, value in content.items())
        vars(whole).update(vars(content))
        return whole
    if isinstance(content, dict):
        return {key: gather(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(gather(value) for value in content)
    if is_sharded(content):
        return content.full_tensor().detach().cpu()
    return content.detach().cpu() if isinstance(content, Tensor) else content


def shard_like(value: Tensor, example: Tensor) -> Tensor:
    """Spread a whole tensor as a sharded one is spread; every process has to call it.

    Args:
        value: The whole tensor, the same on every process.
        example: A sharded tensor of that shape.
    """
    from torch.distributed.tensor import distribute_tensor

    mesh: Any = example.device_mesh  # type: ignore[attr-defined]
    value = value.to(device=example.device, dtype=value.dtype)
    return distribute_tensor(value, mesh, example.placements)  # type: ignore[attr-defined]


def shard_checkpoint(checkpoint: dict, model: nn.Module, groups: list[dict] | None) -> None:
    """Spread a whole checkpoint over processes, in place, as the model is spread.

    Args:
        checkpoint: With ``state_dict`` and perhaps ``optimizer``, as one process writes them.
        model: The sharded model.
        groups: ``param_groups`` of its optimizer; ``None`` leaves the optimizer's state alone.
    """
    own = model.state_dict()
    weights = checkpoint["state_dict"]
    for name, value in weights.items():
        if is_sharded(own.get(name)):
            weights[name] = shard_like(value, own[name])
    states = (checkpoint.get("optimizer") or {}).get("state")
    if groups is None or states is None:
        return
    for number, parameter in enumerate(p for group in groups for p in group["params"]):
        for key, value in states.get(number, {}).items():
            same = isinstance(value, Tensor) and value.shape == parameter.shape
            if same and is_sharded(parameter):
                states[number][key] = shard_like(value, parameter)


def half_summed_gradients(model: nn.Module) -> dict[str, Tensor]:
    """Gradients that wait for the optimizer's step; every process has to call it.

    Args:
        model: The model itself, not what wraps it.

    Returns:
        By parameter name, on the CPU; the mean over the processes, which is what their next step
        makes of them. Empty after an optimizer's step.
    """
    own = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    if get_world_size() == 1:
        return gather(own)
    names = sorted({name for names in all_gather_object(list(own)) for name in names})
    parameters = dict(model.named_parameters())
    gradients = {}
    for name in names:
        gradient = own.get(name, torch.zeros_like(parameters[name])).detach()
        if is_sharded(gradient):  # summed over the processes already
            gradients[name] = gather(gradient)
        else:
            gradient = gradient.clone()
            all_reduce(gradient, op="mean")
            gradients[name] = gradient.cpu()
    return gradients


def restore_gradients(model: nn.Module, gradients: dict[str, Tensor]) -> None:
    """Put back what :func:`half_summed_gradients` returned."""
    for name, parameter in model.named_parameters():
        if name in gradients:
            value = gradients[name]
            if is_sharded(parameter):
                parameter.grad = shard_like(value, parameter)
            else:
                parameter.grad = value.to(parameter.device, parameter.dtype).clone()
