"""How a data set's pipeline loads its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple


class Loading(NamedTuple):
    """What decides whether a pair of files is sound.

    Attributes:
        backend_args: Of mmengine's file backends; None: the local disk.
        turns: Whether images are turned by their orientation tag.
        labels: Whether labels are read by MMSegmentation's own ``LoadAnnotations``, and not by a
            transform that may know what to make of colours or of 16 bits.
    """

    backend_args: Mapping | None = None
    turns: bool = True
    labels: bool = True


def leaves(dataset: Any) -> Iterator[Any]:
    """Yields the data sets inside wrappers.

    Args:
        dataset: A data set or a wrapper that holds some in ``dataset`` or ``datasets``.
    """
    inner = getattr(dataset, "datasets", None)
    if inner is None:
        inner = [dataset.dataset] if hasattr(dataset, "dataset") else None
    if inner is None:
        yield dataset
        return
    for part in inner:
        yield from leaves(part)


def loading_of(dataset: Any) -> Loading:
    """How a data set, or the first inside a wrapper, loads its files."""
    leaf = next(leaves(dataset), None)
    steps = getattr(getattr(leaf, "pipeline", None), "transforms", None) or ()
    labels = any(_name(step) == "LoadAnnotations" for step in steps)
    return Loading(getattr(leaf, "backend_args", None), turns_images(steps), labels)


def turns_images(steps: Iterable[Any]) -> bool:
    """Whether a pipeline turns images by their orientation tag, as mmcv does by default.

    Args:
        steps: Transforms or their configs.
    """
    for step in steps:
        if _name(step) == "LoadImageFromFile":
            asked = step.get("color_type") if isinstance(step, Mapping) else step.color_type
            return not (asked or "").endswith(("unchanged", "ignore_orientation"))
    return True


def _name(step: Any) -> str:
    """The class of a transform, of ours and of MMSegmentation without their scope."""
    if not isinstance(step, Mapping):
        return type(step).__name__
    kind = step.get("type")
    return kind.rsplit(".", 1)[-1] if isinstance(kind, str) else getattr(kind, "__name__", "")
