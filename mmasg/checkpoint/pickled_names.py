"""What a checkpoint's pickle may name beside tensors, and what each name becomes.

torch's ``weights_only`` loading builds tensors and plain containers, and whatever else it is told
to allow. Allowed here is what mmengine's own checkpoints hold: NumPy's plain scalars and arrays
(NumPy 1 writes them as ``numpy.core...``, NumPy 2 as ``numpy._core...``) and the log's histories.
None of those names leads to the real thing: each is answered by a stand-in of this module, a pure
constructor that checks every field. In particular ``getattr``, by which mmengine pickles the four
statistics of a history, looks nothing up.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

# b1, i8, f4, c16, U7, S3, M8, m8: what NumPy's dtypes call themselves in a pickle.
_PLAIN_DTYPE = re.compile(r"b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32)|[US]\d{1,6}|[mM]8")
_STATISTICS = ("min", "max", "current", "mean")
_LOCK = Lock()  # torch's list of allowed names belongs to the whole process


class NotPlainError(Exception):
    """A pickle holds what is not a plain value; says what, as the end of "it holds ..."."""


class _Dtype:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if isinstance(code, bytes):
            code = code.decode("ascii", "replace")
        if code in ("O", "O8", "O4"):
            raise NotPlainError("a NumPy array or scalar of Python objects (dtype object)")
        if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
            raise NotPlainError(f"a NumPy array or scalar of dtype {code!r}, which is not plain")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order: Any
        _, order, *structure = state[:5]
        if structure != [None, None, None]:
            raise NotPlainError("a structured NumPy array")
        order = order.decode() if isinstance(order, bytes) else order
        self.dtype = self.dtype.newbyteorder({"|": "="}.get(order, order))
        if self.dtype.kind in "mM" and len(state) > 8:
            unit, count, *rest = state[8][1]
            unit = unit.decode() if isinstance(unit, bytes) else unit
            self.dtype = np.dtype(f"{self.dtype.byteorder}{self.dtype.kind}8[{count:d}{unit}]")


class _Array:
    """Stands in for an array that is being built."""

    value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise NotPlainError("a NumPy array whose parts are not those of an array")
        if any(type(n) is not int or n < 0 for n in shape):
            raise NotPlainError("a NumPy array whose shape is none")
        if len(raw) != math.prod(shape) * dtype.dtype.itemsize:
            raise NotPlainError("a NumPy array whose data do not fill its shape")
        flat = np.frombuffer(raw, dtype.dtype) if raw else np.empty(0, dtype.dtype)
        self.value = flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    """Stand in for ``numpy.core.multiarray._reconstruct``; the state brings shape and dtype."""
    if kind is not _Ndarray:
        raise NotPlainError("a subclass of NumPy's arrays")
    return _Array()


class _Ndarray:
    """Stands in for the class ``numpy.ndarray``, which a pickle names but never calls."""

    def __new__(cls, *args: Any) -> _Ndarray:
        raise NotPlainError("a NumPy array that is built by a call")


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    """Stand in for ``numpy.core.multiarray.scalar``."""
    if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
        raise NotPlainError("a NumPy scalar whose parts are not those of a scalar")
    if len(raw) != dtype.dtype.itemsize:
        raise NotPlainError("a NumPy scalar whose data are of another size than its dtype")
    return np.frombuffer(raw, dtype.dtype)[0] if raw else dtype.dtype.type()


class _History(HistoryBuffer):
    """Becomes a ``HistoryBuffer`` once its state is there; brings no functions of its own."""

    def __init__(self, *args: Any) -> None:
        raise NotPlainError("a HistoryBuffer that is built by a call")

    def __setstate__(self, state: Any) -> None:
        known = {"_log_history", "_count_history", "max_length", "statistics_methods"}
        if not isinstance(state, dict) or not known >= set(state):
            raise NotPlainError("a HistoryBuffer whose state is not that of one")
        log, count = (_plain(state.get(k), set()) for k in ("_log_history", "_count_history"))
        length = state.get("max_length")
        arrays = all(isinstance(a, np.ndarray) and a.dtype.kind in "biuf" for a in (log, count))
        if not arrays or log.shape != count.shape or log.ndim != 1 or type(length) is not int:
            raise NotPlainError("a HistoryBuffer whose state is not that of one")
        self.__class__ = HistoryBuffer  # type: ignore[assignment]
        HistoryBuffer.__init__(self, log, count, length)


def _statistic(owner: Any, name: Any) -> None:
    """Stand in for ``getattr``: mmengine registers the statistics of a history by itself."""
    if owner is not _History or name not in _STATISTICS:
        raise NotPlainError(f"code: it looks up {name!r} (getattr)")


def _no_bytes(*args: Any) -> bytes:
    """Stand in for ``bytes``, whose call without arguments is how protocol 2 writes ``b""``."""
    if args:
        raise NotPlainError("bytes that are built by a call")
    return b""


def _named(stand_in: Any, path: str) -> Any:
    """Give a stand-in the name that it answers to, by which torch finds it (2.4 and later)."""
    module, _, name = path.rpartition(".")
    if not isinstance(stand_in, type):  # a function may answer to several names
        original: Callable[..., Any] = stand_in

        def stand_in(*args: Any) -> Any:
            return original(*args)

    stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = module, name, name
    return stand_in


_STAND_INS = [
    _named(_Dtype, "numpy.dtype"),
    _named(_Ndarray, "numpy.ndarray"),
    _named(_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    _named(_statistic, "builtins.getattr"),
    _named(_no_bytes, "builtins.bytes"),
    _named(_reconstruct, "numpy.core.multiarray._reconstruct"),
    _named(_reconstruct, "numpy._core.multiarray._reconstruct"),
    _named(_scalar, "numpy.core.multiarray.scalar"),
    _named(_scalar, "numpy._core.multiarray.scalar"),
    # torch asks for the types whose instances have a state; nothing names this one.
    _named(_Array, "mmasg.checkpoint.pickled_names._Array"),
]


@contextmanager
def only_plain_names() -> Iterator[None]:
    """Within it, torch's ``weights_only`` loading allows the names of this module and no others.

    What the process has allowed by ``torch.serialization.add_safe_globals`` is put back after it.
    """
    with _LOCK:
        before = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(_STAND_INS)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def plain(content: Any) -> Any:
    """Put the arrays in place of their stand-ins.

    Args:
        content: What ``torch.load`` returned within :func:`only_plain_names`.

    Returns:
        The same containers (tuples are new).

    Raises:
        NotPlainError: If a stand-in is left that never got its state, or a dict has attributes.
    """
    return _plain(content, set())


def _plain(item: Any, seen: set[int]) -> Any:
    if isinstance(item, _Array) and item.value is not None:
        return item.value
    if isinstance(item, _Dtype):
        return item.dtype
    if isinstance(item, (_Array, _History, type)) or (
        callable(item) and not isinstance(item, torch.Tensor)
    ):
        raise NotPlainError("the name of a class or function, or an object without its state")
    if isinstance(item, tuple) and type(item) is tuple:
        return tuple(_plain(value, seen) for value in item)
    if isinstance(item, (dict, list, set)):
        if id(item) in seen:
            return item
        seen.add(id(item))
        if isinstance(item, OrderedDict) and not {"_metadata"} >= set(vars(item)):
            raise NotPlainError("a dict that hides its own methods")
    if isinstance(item, dict):
        for key in item:
            _plain(key, seen)
            item[key] = _plain(item[key], seen)
    elif isinstance(item, list):
        item[:] = [_plain(value, seen) for value in item]
    elif isinstance(item, set):
        for value in item:
            _plain(value, seen)
    return item
