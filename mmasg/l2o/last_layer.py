"""Finds the layer whose weights the policy watches."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from mmasg.errors import did_you_mean, wrong

_KINDS = (_ConvNd, nn.Linear)
_HEADS = ("decode_head", "head")


class LastLayer:
    """The last layer of a model's head: the one that gives the predictions.

    It is found in the model's first forward pass. In the head (``decode_head``, the last stage's
    in a cascade; or ``head``) it is ``conv_seg`` where that ran, else the convolution, transposed
    convolution or linear layer that was called last there. A model without a head of these names
    gives the layer that was called last in the whole of it.

    Args:
        model: The model itself, without its distributed wrapper.
        name: Dotted name of the module, for models without a head of these names. It may be left
            out.

    Raises:
        ValueError: No module of that name, or it has no weight; in the first forward pass, a name
            that contradicts the head.
    """

    def __init__(self, model: nn.Module, name: str | None = None) -> None:
        self._model = model
        self._modules = dict(model.named_modules())
        self._given, self.name = name, name
        self._head = _head_prefix(model)
        self._ran: list[str] = []
        self._handles: list[Any] = []
        if name is not None:
            self._check(name)
        for layer, module in self._modules.items():
            if isinstance(module, _KINDS) and module.weight is not None:
                self._handles.append(
                    module.register_forward_hook(lambda *_, name=layer: self._ran.append(name))
                )
        # At the end of the whole forward pass: activation checkpointing runs layers once more in
        # the backward pass, which must not count.
        self._handles.append(model.register_forward_hook(self._decide))

    @property
    def weight(self) -> nn.Parameter:
        """The layer's weight; by default known from the first forward pass on."""
        if self.name is None:
            allowed = f"the name of a layer, such as one of {self._candidates()}"
            remedy = "No convolution or linear layer ran in the model's first forward pass."
            raise ValueError(wrong("last_layer", None, allowed, remedy))
        return self._modules[self.name].weight  # type: ignore[return-value]

    def close(self) -> None:
        """Stop watching the forward pass."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _decide(self, *_: Any) -> None:
        self.close()
        in_head = [name for name in self._ran if self._head and name.startswith(self._head)]
        preferred = f"{self._head}conv_seg"
        ran = in_head or self._ran
        found = preferred if preferred in in_head else (ran[-1] if ran else None)
        if self._given is None:
            self.name = found
        elif in_head and found != self._given:
            allowed = f"{found!r}, the last layer of the model's head"
            remedy = "Leave it out: the head knows it."
            raise ValueError(wrong("last_layer", self._given, allowed, remedy))

    def _check(self, name: str) -> None:
        module = self._modules.get(name)
        if module is None or getattr(module, "weight", None) is None:
            problem = "It is no module of the model" if module is None else "It has no weight"
            remedy = f"{problem}.{did_you_mean(name, self._candidates())}"
            allowed = f"a layer such as one of {self._candidates()}"
            raise ValueError(wrong("last_layer", name, allowed, remedy))

    def _candidates(self) -> list[str]:
        names = [name for name, module in self._modules.items() if isinstance(module, _KINDS)]
        return names[-10:]


def _head_prefix(model: nn.Module) -> str | None:
    """Where the names of the head's modules begin."""
    for name in _HEADS:
        head = getattr(model, name, None)
        if isinstance(head, nn.ModuleList) and len(head):
            return f"{name}.{len(head) - 1}."
        if isinstance(head, nn.Module):
            return f"{name}."
    return None
