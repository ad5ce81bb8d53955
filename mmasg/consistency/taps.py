"""Take a network's input and features out of its forward pass, without changing it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

#: Behind a submodule's name: its output instead of its input.
_OUTPUT = ":output"


class FeatureTap:
    """Record what a backbone sees and gives in each call.

    Args:
        module: The backbone.
        feature: Which feature to take: an integer indexes the tuple of feature maps that the
            backbone returns; a string names a submodule whose *input* is taken (Swin's
            ``'norm3'``, the norm that segmentation puts on stage 4), or, with ``':output'``
            behind the name, whose output (ViT's ``'layers.11:output'``).
        key: Config key to name in errors.

    Raises:
        ValueError: There is no such submodule, or no such output.
    """

    def __init__(self, module: nn.Module, feature: int | str, key: str) -> None:
        self.feature = feature
        self.key = key
        self.enabled = False
        self.inputs: list[Tensor] = []
        self.features: list[Tensor] = []
        self._handles = [module.register_forward_hook(self._after, with_kwargs=True)]
        if isinstance(feature, str):
            inner = named_part(module, feature, key)
            self._handles.append(
                inner.register_forward_hook(self._after_inner)
                if feature.endswith(_OUTPUT)
                else inner.register_forward_pre_hook(self._before_inner, with_kwargs=True)
            )

    def _before_inner(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self.enabled:
            self.features.append(_first_argument(module, args, kwargs))

    def _after_inner(self, module: nn.Module, args: tuple, output: Any) -> None:
        if self.enabled:
            self.features.append(select_feature(output, 0, self.key))

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if not self.enabled:
            return
        self.inputs.append(_first_argument(module, args, kwargs))
        if isinstance(self.feature, int):
            self.features.append(select_feature(output, self.feature, self.key))

    def clear(self) -> None:
        """Forget what was recorded, so that no graph is kept alive."""
        self.inputs.clear()
        self.features.clear()

    def remove(self) -> None:
        """Detach from the module."""
        self.clear()
        for handle in self._handles:
            handle.remove()


def _first_argument(module: nn.Module, args: tuple, kwargs: dict) -> Tensor:
    """Return a module's input, however its caller wrote the call."""
    if args:
        return args[0]
    # The order of the signature, not of the call.
    return next(iter(inspect.signature(module.forward).bind(**kwargs).arguments.values()))


def named_part(module: nn.Module, name: str, key: str) -> nn.Module:
    """Return the submodule ``name``, or raise a ValueError that says what there is."""
    try:
        return module.get_submodule(name.removesuffix(_OUTPUT))
    except AttributeError:
        names = [child for child, _ in module.named_children()]
        raise ValueError(
            f"{key}: {type(module).__name__} has no submodule {name!r}; it has "
            f"{', '.join(names)}. Give one of them, or the index of an output"
        ) from None


def select_feature(output: Any, index: int, key: str) -> Tensor:
    """Return feature map ``index`` of a backbone's output (a tensor, or a sequence of them)."""
    if isinstance(output, Tensor):
        output = (output,)
    try:
        chosen = output[index]
    except (IndexError, KeyError, TypeError):
        raise ValueError(
            f"{key}: got index {index}, but the backbone returns "
            f"{len(output) if hasattr(output, '__len__') else type(output).__name__} feature "
            "map(s). Give an index among them, -1 for the last"
        ) from None
    if not isinstance(chosen, Tensor):
        raise ValueError(
            f"{key}: output {index} of the backbone is a {type(chosen).__name__}, not a tensor. "
            "Name the submodule whose input is the feature map instead, for example 'norm3'"
        )
    return chosen


class LossTap:
    """Call a function on every ``forward(mode='loss')`` of a model, inside that forward call.

    Inside the call means inside what DistributedDataParallel wraps, so the gradients of what the
    function adds are averaged over ranks like all others.

    Args:
        model: The unwrapped model; ``forward(..., mode='loss')`` returns a dict of losses.
        before: Called without arguments before such a forward.
        after: Called with the dict of losses; what it returns is added to a copy of it.
        first: Call ``after`` before those of the taps that are there already. Defaults to False.
    """

    def __init__(
        self,
        model: nn.Module,
        before: Callable[[], None],
        after: Callable[[dict], dict],
        first: bool = False,
    ) -> None:
        self._before = before
        self._after = after
        self._handles = [
            model.register_forward_pre_hook(self._pre, with_kwargs=True),
            model.register_forward_hook(self._post, with_kwargs=True, prepend=first),
        ]

    @staticmethod
    def _is_loss(args: tuple, kwargs: dict) -> bool:
        # BaseModel.forward(inputs, data_samples=None, mode='tensor'); mmengine names the mode.
        return (kwargs.get("mode") or (args[2] if len(args) > 2 else None)) == "loss"

    def _pre(self, model: nn.Module, args: tuple, kwargs: dict) -> None:
        if self._is_loss(args, kwargs):
            self._before()

    def _post(self, model: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        if self._is_loss(args, kwargs) and isinstance(output, dict):
            return {**output, **self._after(output)}
        return None

    def remove(self) -> None:
        """Detach from the model."""
        for handle in self._handles:
            handle.remove()
