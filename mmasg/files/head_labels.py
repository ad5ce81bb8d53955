"""Which label ids the heads and losses of a model take, read off its config."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.registry import MODELS

from mmasg.errors import first_of


@dataclass(frozen=True)
class Head:
    """A head of a model.

    Attributes:
        key: Its place in the config, such as ``model.decode_head``.
        num_classes: Ids 0 to num_classes - 1 are its classes.
        ignored: What the head and those of its losses that do not ask the head leave out, by
            config key; None: nothing. Empty for a head that knows no ``ignore_index``, of whose
            labels nothing can be said.
    """

    key: str
    num_classes: int
    ignored: Mapping[str, int | None]

    def takes(self, value: int) -> bool:
        """Whether a label id is a class, or left out by the head and all of its losses."""
        inside = 0 <= value < self.num_classes or not self.ignored
        return inside or set(self.ignored.values()) == {value}


def heads_of(model: Any, key: str = "model") -> Iterator[Head]:
    """Finds the heads in a model's config.

    Args:
        model: The config, or anything in it.
        key: Where it stands.

    Yields:
        Every part with ``num_classes`` that has an ``ignore_index`` or is called a head.
    """
    if isinstance(model, (list, tuple)):
        for index, part in enumerate(model):
            yield from heads_of(part, f"{key}[{index}]")
    elif isinstance(model, Mapping):
        classes = model.get("num_classes")
        own = _argument(model, "ignore_index")
        if isinstance(classes, int) and own is not _NONE:
            yield Head(key, classes, {f"{key}.ignore_index": own, **_of_losses(model, key)})
        elif isinstance(classes, int) and "head" in key.rsplit(".", 1)[-1]:
            yield Head(key, classes, {})
        for name, part in model.items():
            if name != "loss_decode":
                yield from heads_of(part, f"{key}.{name}")


def describe_ignored(heads: Iterable[Head], ignore_index: int | None = None) -> str:
    """Says what the data set, the heads and their losses leave out, each by its key.

    Args:
        heads: From :func:`heads_of`.
        ignore_index: The data set's. Default: not said.
    """
    values = {} if ignore_index is None else {"the data set's ignore_index": ignore_index}
    for head in heads:
        values.update(head.ignored)  # type: ignore[arg-type]
    return first_of([f"{key}={value}" for key, value in values.items()], 12)


_NONE = inspect.Parameter.empty


def _of_losses(head: Mapping, key: str) -> dict[str, int | None]:
    losses: Any = head.get("loss_decode")
    many = isinstance(losses, (list, tuple))
    found: dict[str, int | None] = {}
    for index, loss in enumerate(losses if many else [losses]):
        where = f"{key}.loss_decode[{index}]" if many else f"{key}.loss_decode"
        for name in ("ignore_index", "ignore_label"):
            value: Any = _argument(loss, name) if isinstance(loss, Mapping) else _NONE
            if value is not _NONE and not _asks_the_head(loss):
                found[f"{where}.{name}"] = value
    return found


def _class(cfg: Mapping) -> Any:
    kind = cfg.get("type")
    with MODELS.switch_scope_and_registry(None) as registry:  # the config's default scope
        return registry.get(kind) if isinstance(kind, str) else kind


def _argument(cfg: Mapping, name: str) -> Any:
    """Value of an argument that a config gives or its class has a default for."""
    for base in getattr(_class(cfg), "__mro__", ()):
        parameters = inspect.signature(base.__init__).parameters if base is not object else {}
        if name in parameters:
            return cfg.get(name, parameters[name].default)
    return _NONE


def _asks_the_head(loss: Any) -> bool:
    """Whether a loss takes what is left out from the head, whatever its own argument says."""
    return "ignore_index" in inspect.signature(_class(loss).forward).parameters
