"""Finds the layer whose weights the policy watches."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

_KINDS = (_ConvNd, nn.Linear)


class LastLayer:
    """The last layer of a model, by name or as the one that runs last.

    Args:
        model: The model itself, without its distributed wrapper.
        name: Dotted name of the module. By default ``decode_head.conv_seg`` (the last stage's in
            a cascade) where the model has it and uses it, else the convolution, transposed
            convolution or linear layer that is called last in the first forward pass.

    Raises:
        ValueError: No module of that name, or it has no weight.
    """

    def __init__(self, model: nn.Module, name: str | None = None) -> None:
        self._model = model
        self._modules = dict(model.named_modules())
        self.name = name
        self._preferred = None if name else _segmentation_classifier(model)
        self._ran: list[str] = []
        self._handles: list[Any] = []
        if name is not None:
            self._check(name)
        else:
            self._watch()

    @property
    def weight(self) -> nn.Parameter:
        """The layer's weight; by default known from the first forward pass on."""
        if self.name is None:
            raise ValueError(
                "No convolution, transposed convolution or linear layer ran in the model's first "
                f"forward pass: set `last_layer` to one of {self._candidates()}."
            )
        return self._modules[self.name].weight  # type: ignore[return-value]

    def close(self) -> None:
        """Stop watching the forward pass."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _watch(self) -> None:
        for name, module in self._modules.items():
            if isinstance(module, _KINDS) and module.weight is not None:
                self._handles.append(
                    module.register_forward_hook(lambda *_, name=name: self._ran.append(name))
                )
        # At the end of the whole forward pass: activation checkpointing runs layers once more in
        # the backward pass, which must not count.
        self._handles.append(self._model.register_forward_hook(self._decide))

    def _decide(self, *_: Any) -> None:
        self.close()
        if self._preferred in self._ran:
            self.name = self._preferred
        elif self._ran:
            self.name = self._ran[-1]

    def _check(self, name: str) -> None:
        module = self._modules.get(name)
        if module is None or getattr(module, "weight", None) is None:
            problem = "is no module of the model" if module is None else "has no weight"
            raise ValueError(
                f"last_layer='{name}' {problem}. Candidates, in the order of their definition: "
                f"{self._candidates()}."
            )

    def _candidates(self) -> list[str]:
        names = [name for name, module in self._modules.items() if isinstance(module, _KINDS)]
        return names[-10:]


def _segmentation_classifier(model: nn.Module) -> str | None:
    head = getattr(model, "decode_head", None)
    prefix = "decode_head"
    if isinstance(head, nn.ModuleList) and len(head):
        prefix = f"decode_head.{len(head) - 1}"
        head = head[-1]
    return (
        f"{prefix}.conv_seg" if isinstance(head, nn.Module) and hasattr(head, "conv_seg") else None
    )
