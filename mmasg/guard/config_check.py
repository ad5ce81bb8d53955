"""Find misspelt names in a config before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mmengine.registry
from mmengine.registry import Registry

from mmasg.errors import did_you_mean

# Parts whose keywords go to the constructor as they are. Others (a model's norm_cfg, an optimizer
# wrapper, ...) have keys that builders take out first: there mmengine's own message has to do.
_STRICT = (
    "custom_hooks",
    "default_hooks",
    "param_scheduler",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "val_evaluator",
    "test_evaluator",
)
# Loops may build parts of theirs in their own way.
_OWN_PARTS = ("train_cfg.", "val_cfg.", "test_cfg.")
# Names that are near to those of mmengine, and common as variables in configs.
_VARIABLES = ("train_pipeline", "val_pipeline", "test_pipeline", "optimizer", "schedule")
# Keys that mmengine itself understands beside a class's arguments.
_ALWAYS = {"type", "_scope_", "priority", "_delete_"}
_TOP_LEVEL = (
    "auto_scale_lr",
    "cfg",
    "compile",
    "custom_hooks",
    "custom_imports",
    "data_preprocessor",
    "default_hooks",
    "default_scope",
    "env_cfg",
    "experiment_name",
    "launcher",
    "load_from",
    "log_level",
    "log_processor",
    "model",
    "model_wrapper_cfg",
    "optim_wrapper",
    "param_scheduler",
    "randomness",
    "resume",
    "test_cfg",
    "test_dataloader",
    "test_evaluator",
    "train_cfg",
    "train_dataloader",
    "tta_model",
    "tta_pipeline",
    "val_cfg",
    "val_dataloader",
    "val_evaluator",
    "vis_backends",
    "visualizer",
    "work_dir",
)


def check_config(config: Mapping[str, Any]) -> None:
    """Check the names in a config: registered types, keywords, top-level keys.

    Args:
        config: The config, after its ``custom_imports``.

    Raises:
        ValueError: Naming the key, what stands there, and what is near it.
    """
    _check_top_level(config)
    classes = _registered()
    for key in config:
        for path, item in _typed(config[key], key):
            if path.startswith(_OWN_PARTS):
                continue
            found = _check_type(path, item["type"], classes)
            if found and path.split(".")[0].split("[")[0] in _STRICT:
                _check_keywords(path, item, found)


def _check_top_level(config: Mapping[str, Any]) -> None:
    for key in config:
        if key in _TOP_LEVEL or key in _VARIABLES:
            continue
        hint = did_you_mean(key, [k for k in _TOP_LEVEL if k not in config], cutoff=0.85)
        if hint:
            raise ValueError(f"{key}: the config has this key, which nothing reads.{hint}")


def _registered() -> dict[str, list[Any]]:
    """All registered names, of mmengine and of what is built on it, with their classes."""
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


def _typed(item: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every dict with a ``type`` that is a string, with its place in the config."""
    if isinstance(item, Mapping):
        if isinstance(item.get("type"), str):
            yield path, item
        for key, value in item.items():
            yield from _typed(value, f"{path}.{key}")
    elif isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        for index, value in enumerate(item):
            yield from _typed(value, f"{path}[{index}]")


def _check_type(path: str, name: str, classes: dict[str, list[Any]]) -> list[Any]:
    short = name.rsplit(".", 1)[-1]
    if short in classes:
        return classes[short]
    if "." in name or path.endswith("init_cfg"):
        return []  # an import path, which mmengine resolves; initialisers are no classes
    hint = did_you_mean(name, classes, most=3)
    raise ValueError(
        f"{path}.type: nothing is registered as {name!r}.{hint} A class of your own has to be "
        "imported: custom_imports = dict(imports=['mmasg', 'your.module'])."
    )


def _check_keywords(path: str, item: Mapping[str, Any], found: list[Any]) -> None:
    allowed: set[str] = set()
    for value in found:
        names = _parameters(value)
        if names is None:
            return
        allowed |= names
    for key in item:
        if key in _ALWAYS or key in allowed:
            continue
        hint = did_you_mean(key, allowed) or f" It takes {', '.join(sorted(allowed))}."
        raise ValueError(f"{path}.{key}: {item['type']} has no argument {key!r}.{hint}")


def _parameters(value: Any) -> set[str] | None:
    """Names of a class's arguments, its bases' included; None where any goes."""
    if not inspect.isclass(value):
        return None
    names: set[str] = set()
    for base in value.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        try:
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        except (TypeError, ValueError):
            return None
        kinds = {p.kind for p in parameters}
        names |= {p.name for p in parameters} - {"self"}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return names
    return None
