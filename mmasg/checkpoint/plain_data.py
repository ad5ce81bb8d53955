"""Data batches as plain containers and tensors, which ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement

_ELEMENT, _ARRAY, _TUPLE = "__data_element__", "__array__", "__tuple__"


def to_plain(data: Any) -> Any:
    """Turn a data batch into dicts, lists, tensors, numbers and strings.

    Args:
        data: Any nesting of dicts, lists, tuples, tensors, NumPy arrays and scalars, numbers,
            strings and mmengine's data elements (``SegDataSample``, ``PixelData``, ...). Other
            objects are kept as their ``repr``: they are not needed to compute a loss.

    Returns:
        The same, from which :func:`from_plain` makes an equal batch. Tensors are on the CPU.
    """
    if isinstance(data, torch.Tensor):
        return data.detach().cpu().clone()
    if data is None or isinstance(data, (bool, int, float, str, bytes)):
        # int(...) and the like: subclasses (numpy's, keyed indices) are not plain.
        kinds: tuple[Any, ...] = (bool, int, float, str, bytes)
        return next((kind(data) for kind in kinds if isinstance(data, kind)), None)
    if isinstance(data, np.generic):
        return to_plain(data.item())
    if isinstance(data, np.ndarray) and data.dtype != object:
        return {_ARRAY: torch.from_numpy(np.ascontiguousarray(data).copy())}
    if isinstance(data, BaseDataElement):
        return {
            _ELEMENT: f"{type(data).__module__}:{type(data).__qualname__}",
            "metainfo": to_plain(dict(data.metainfo_items())),
            "fields": to_plain(dict(data.items())),
        }
    if isinstance(data, Mapping):
        return {to_plain(k): to_plain(v) for k, v in data.items()}
    if isinstance(data, tuple):
        return {_TUPLE: [to_plain(v) for v in data]}
    if isinstance(data, (list, set)):
        return [to_plain(v) for v in data]
    return repr(data)


def from_plain(data: Any) -> Any:
    """Undo :func:`to_plain`.

    Args:
        data: What :func:`to_plain` returned.

    Returns:
        The data batch, on the CPU.

    Raises:
        ValueError: If it holds a data element of a class that is not a loaded subclass of
            mmengine's ``BaseDataElement``. Nothing is imported for it.
    """
    if isinstance(data, list):
        return [from_plain(v) for v in data]
    if not isinstance(data, dict):
        return data
    if _ARRAY in data:
        return data[_ARRAY].numpy()
    if _TUPLE in data:
        return tuple(from_plain(v) for v in data[_TUPLE])
    if _ELEMENT in data:
        module, _, name = str(data[_ELEMENT]).partition(":")
        # No getattr: modules may import what they are asked for.
        element_class: Any = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        if not (isinstance(element_class, type) and issubclass(element_class, BaseDataElement)):
            raise ValueError(
                f"The data batch holds a {name} of {module}, which is not loaded or no mmengine "
                "data element. Import the package it belongs to first."
            )
        return element_class(
            metainfo=from_plain(data["metainfo"]),
            **from_plain(data["fields"]),
        )
    return {k: from_plain(v) for k, v in data.items()}
