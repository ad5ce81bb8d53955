"""The data sets that a data loader's config names, seen through what wraps or joins them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.registry import DATASETS


def innermost(dataset: Any) -> Iterator[Any]:
    """Yield the configs of the data sets themselves, in order.

    Args:
        dataset: Config of a data set; wrappers have a ``dataset`` of their own
            (``KeyedRandomnessDataset``, ``RepeatDataset``), joins have ``datasets``
            (``ConcatDataset``).
    """
    if not isinstance(dataset, Mapping):
        return
    inner = [dataset.get("dataset"), *(dataset.get("datasets") or ())]
    if not any(isinstance(part, Mapping) for part in inner):
        yield dataset
    for part in inner:
        yield from innermost(part)


def image_pipeline(loader: Any) -> list[dict] | None:
    """Return the transforms of a data loader's config without those that read labels.

    Of several targets' data sets the first one's, whose images keep their own size in configs/.

    Args:
        loader: Config of a data loader, or None.

    Returns:
        What turns ``dict(img_path=...)`` into a model's input; None where no data set has any.
    """
    pipelines = [d["pipeline"] for d in innermost((loader or {}).get("dataset")) if "pipeline" in d]
    if not pipelines:
        return None
    return [dict(step) for step in pipelines[0] if "Annotation" not in str(step["type"])]


def class_names_of(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class names of a data set's config; empty where it names none."""
    return tuple(_metainfo(dataset).get("classes") or ())


def palette_of(dataset: Mapping[str, Any], classes: int) -> list[tuple[int, int, int]]:
    """Return an RGB colour for every class of a data set's config.

    The config's own palette, else that of the registered class by name of the class, else
    colours that are the same on every call.

    Args:
        dataset: Config of one data set.
        classes: How many colours are needed at least.
    """
    own, names = dataset.get("metainfo") or {}, class_names_of(dataset)
    registered = getattr(DATASETS.get(dataset["type"]), "METAINFO", {})
    known = dict(zip(registered.get("classes", ()), registered.get("palette", ()), strict=False))
    # A walk through the colour cube by steps that share no factor with its side.
    palette = [
        ((67 * i + 60) % 256, (139 * i + 120) % 256, (211 * i + 30) % 256)
        for i in range(max(classes, len(names)))
    ]
    named = own.get("palette") or [known.get(n, c) for n, c in zip(names, palette, strict=False)]
    palette[: len(named)] = named
    return [(int(r), int(g), int(b)) for r, g, b in palette]


def _metainfo(dataset: Mapping[str, Any]) -> dict[str, Any]:
    registered = getattr(DATASETS.get(dataset["type"]), "METAINFO", {})
    return {**registered, **(dataset.get("metainfo") or {})}
