"""Find misspelt names in a config before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.runner import Runner

from mmasg.errors import did_you_mean
from mmasg.registered import arguments, registered_classes

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
# Loops may build parts of theirs in their own way; clip_grad's type is 'norm' or 'value'.
_OWN_PARTS = ("train_cfg.", "val_cfg.", "test_cfg.", "optim_wrapper.clip_grad")
# Top-level keys that are read from the whole config, beside the runner's arguments.
_BESIDE = (
    "activation_checkpointing",
    "compile",
    "custom_imports",
    "efficient_conv_bn_eval",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "rebuild_schedule",
    "runner_type",
    "sync_bn",
    "tta_model",
    "tta_pipeline",
    "vis_backends",
)
# Names that are near to those of mmengine, and common as variables in configs.
_VARIABLES = ("train_pipeline", "val_pipeline", "test_pipeline", "optimizer", "schedule")
# Keys that mmengine itself understands beside a class's arguments.
_ALWAYS = {"type", "_scope_", "priority", "_delete_"}


def check_config(config: Mapping[str, Any]) -> None:
    """Check the names in a config: registered types, keywords, top-level keys.

    What stands under a top-level key that the runner does not read (``train_pipeline``, ...) is a
    variable: it is looked at where the config uses it.

    Args:
        config: The config, after its ``custom_imports``.

    Raises:
        ValueError: Naming the key, what stands there, and what is near it.
    """
    read = {*inspect.signature(Runner).parameters, *_BESIDE}
    for key in config:
        if key not in read and key not in _VARIABLES:
            hint = did_you_mean(key, [k for k in read if k not in config], cutoff=0.85)
            if hint:
                raise ValueError(f"{key}: the config has this key, which nothing reads.{hint}")
    classes = registered_classes()
    for key in read.intersection(config):
        for path, item in _typed(config[key], key):
            if path.startswith(_OWN_PARTS):
                continue
            found = _check_type(path, item["type"], classes)
            if found and path.split(".")[0].split("[")[0] in _STRICT:
                _check_keywords(path, item, found)


def _typed(item: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every dict with a ``type`` that is a string, with its place in the config."""
    if isinstance(item, Mapping):
        name = item.get("type")
        if isinstance(name, str):
            yield path, item
        for key, value in item.items():
            # The transforms of Albu are albumentations' classes, not registered ones.
            if not (key == "transforms" and str(name).rsplit(".", 1)[-1] == "Albu"):
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
        names = arguments(value)
        if names is None:
            return
        allowed |= names.keys()
    for key in item:
        if key in _ALWAYS or key in allowed:
            continue
        hint = did_you_mean(key, allowed) or f" It takes {', '.join(sorted(allowed))}."
        raise ValueError(f"{path}.{key}: {item['type']} has no argument {key!r}.{hint}")
