"""What a config may name: the registered classes and the arguments they take."""

from __future__ import annotations

import inspect
from typing import Any

import mmengine.registry
from mmengine.registry import Registry


def registered_classes() -> dict[str, list[Any]]:
    """Return all registered names, of mmengine and of what is built on it, with their classes."""
    classes: dict[str, list[Any]] = {}
    roots = [r for r in vars(mmengine.registry).values() if isinstance(r, Registry)]
    seen = set()
    while roots:
        registry = roots.pop()
        if id(registry) in seen:
            continue
        seen.add(id(registry))
        registry.import_from_location()
        roots.extend(registry.children.values())
        for name, value in registry.module_dict.items():
            classes.setdefault(name, []).append(value)
    return classes


def arguments(value: Any) -> dict[str, inspect.Parameter] | None:
    """Return the arguments of a class, its bases' included where it passes them on.

    Args:
        value: What is registered.

    Returns:
        The arguments by name; None where any goes, or where ``value`` is no class.
    """
    if not inspect.isclass(value):
        return None
    found: dict[str, inspect.Parameter] = {}
    for base in value.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        try:
            parameters = inspect.signature(vars(base)["__init__"]).parameters
        except (TypeError, ValueError):
            return None
        kinds = {p.kind for p in parameters.values()}
        found = {n: p for n, p in parameters.items() if n != "self"} | found
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return found
    return None
