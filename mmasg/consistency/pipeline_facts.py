"""What a data pipeline does, as text, and whether any of it is random."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_RANDOM_NAME = re.compile(
    r"Rand|Albu|Aug|Photo|Jitter|Mosaic|Mix|Cut(Out|out|Mix)|Eras|Noise|Distort|BioMedical|PASTA"
)


def datasets_of(dataset: Any) -> Iterator[Any]:
    """Yield the datasets inside wrappers (``.dataset``) and concatenations (``.datasets``)."""
    if hasattr(dataset, "datasets"):
        for part in dataset.datasets:
            yield from datasets_of(part)
    elif hasattr(dataset, "dataset"):
        yield from datasets_of(dataset.dataset)
    else:
        yield dataset


def _transforms(step: Any) -> Iterator[Any]:
    """Yield the steps of a pipeline, and the steps inside them."""
    inner = getattr(step, "transforms", None)
    if type(step).__name__ != "Compose":
        yield step
    for child in inner if isinstance(inner, (list, tuple)) else ():
        yield from _transforms(child)


def random_steps(dataset: Any, data_preprocessor: Any = None) -> list[str]:
    """Name the steps of a training's preprocessing that are random, as far as names tell.

    Args:
        dataset: The training's dataset, wrapped or not.
        data_preprocessor: The model's; its ``batch_augments`` count. Defaults to None.

    Returns:
        Class names in order; empty where nothing is known to be random.
    """
    found = []
    for part in datasets_of(dataset):
        for step in _transforms(getattr(part, "pipeline", None)):
            name = getattr(step, "__qualname__", type(step).__name__)
            if _RANDOM_NAME.search(name) and name not in found:
                found.append(name)
    if getattr(data_preprocessor, "batch_augments", None):
        found.append("data_preprocessor.batch_augments")
    return found


def describe_pipeline(dataset: Any) -> str:
    """Describe the pipelines of a training's dataset, the same in every process.

    Args:
        dataset: The training's dataset, wrapped or not.

    Returns:
        Class names and settings of all steps.
    """
    parts = []
    for part in datasets_of(dataset):
        for step in _transforms(getattr(part, "pipeline", None)):
            settings = {
                key: value
                for key, value in sorted(getattr(step, "__dict__", {}).items())
                if _is_plain(value) and key != "meta_keys"
            }
            # a pipeline may also hold functions
            name = getattr(step, "__qualname__", type(step).__name__)
            parts.append(f"{type(step).__module__}.{name}{settings}")
    return "\n".join(parts)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, (str, bytes, bool, int, float))
