"""As many outputs and class weights as the data has classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from mmasg.errors import wrong

# Heads of MMSegmentation whose outputs are not the data's classes: STDC's edges, SAN's queries.
_OWN_TARGETS = {"STDCHead", "SideAdapterCLIPHead"}


def check_class_counts(model: nn.Module, dataset: Any, key: str) -> None:
    """Check heads and losses against the classes of a data set.

    Heads with one output channel (a foreground), and those with targets of their own (edges), are
    left alone.

    Args:
        model: The model, unwrapped.
        dataset: A data set with ``metainfo['classes']``; without, nothing is compared.
        key: The data set's config key.

    Raises:
        ValueError: ``num_classes`` of a head, or the length of a loss's ``class_weight``, is not
            the number of classes.
    """
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
    if not classes:
        return
    has = f"{len(classes)}, the classes of {key} ({_innermost(dataset)})"
    remedy = f"The data set's classes are its metainfo: {', '.join(map(str, classes[:4]))}, ..."
    for path, head in _heads(model):
        names = {base.__name__ for base in type(head).__mro__}
        if getattr(head, "out_channels", None) == 1 or names & _OWN_TARGETS:
            continue
        if head.num_classes != len(classes):
            raise ValueError(wrong(f"{path}.num_classes", head.num_classes, has, remedy))
        losses = getattr(head, "loss_decode", None)
        losses = losses if isinstance(losses, nn.ModuleList) else [losses]
        for index, loss in enumerate(losses):
            weight = getattr(loss, "class_weight", None)
            if weight is not None and hasattr(weight, "__len__") and len(weight) != len(classes):
                place = f"{path}.loss_decode" + (f"[{index}]" if len(losses) > 1 else "")
                got = f"{len(weight)} weights"
                allowed = f"{has} (num_classes)"
                raise ValueError(wrong(f"{place}.class_weight", got, allowed, remedy))


def _heads(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Heads of a model, by config key: children with classes, and those in lists of them."""
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            parts = [(f"model.{name}[{i}]", part) for i, part in enumerate(child)]
        else:
            parts = [(f"model.{name}", child)]
        yield from (p for p in parts if isinstance(getattr(p[1], "num_classes", None), int))


def _innermost(dataset: Any) -> str:
    while hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return type(dataset).__name__
