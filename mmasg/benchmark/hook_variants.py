"""A config without some of its hooks, and otherwise the same network."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config, ConfigDict

# Hooks without which it would be another network that is measured.
_PART_OF_THE_MODEL = ("EvalModeHook", "ChannelsLastHook", "EMAHook")


def hook_variants(config: Config) -> dict[str, list[str]]:
    """Say which variants of a config are worth measuring.

    Args:
        config: The config.

    Returns:
        For each variant's name the types of the custom hooks it is without: ``full``,
        ``without HOOK`` for each hook, and ``without all`` where there are several.
    """
    types = [hook_type(hook) for hook in config.get("custom_hooks") or []]
    hooks = [t for t in types if t not in _PART_OF_THE_MODEL]
    variants: dict[str, list[str]] = {"full": []}
    variants.update({f"without {hook}": [hook] for hook in hooks})
    if len(hooks) > 1:
        variants["without all"] = hooks
    return variants


def without_hooks(config: Config, types: list[str]) -> Config:
    """Take custom hooks out of a config, and keep the modes of the layers as they are.

    A consistency hook also sets layers to eval mode; in its place stands an ``EvalModeHook``.

    Args:
        config: The config; it is left alone.
        types: Types of the hooks to take out.

    Returns:
        The changed copy.
    """
    config = copy.deepcopy(config)
    hooks = []
    for hook in config.get("custom_hooks") or []:
        if hook_type(hook) not in types:
            hooks.append(hook)
        elif hook_type(hook) == "ImageNetConsistencyHook":
            mode = hook.get("eval_mode", "pretrained")
            student = hook.get("student_module", "backbone")
            hooks.append(ConfigDict(type="EvalModeHook", mode=mode, student_module=student))
    config.custom_hooks = hooks
    return config


def hook_type(hook: Any) -> str:
    """Type of a hook (or of a transform) in a config, without its scope."""
    return str(hook["type"]).rsplit(".", 1)[-1]
