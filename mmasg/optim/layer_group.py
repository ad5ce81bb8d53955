"""A layer group as a config writes it, checked."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from inspect import signature
from typing import Any

from mmasg.errors import did_you_mean, wrong

from .group_presets import preset_groups

KEY = "optim_wrapper.paramwise_cfg"
_OF_PRESETS = [name for name in signature(preset_groups).parameters if name != "name"]
#: Weight-decay rules of mmengine's constructor that live on beside the groups. It reads them by
#: name from the dict, so there is no signature to ask.
DECAY_KEYS = (
    "custom_keys",
    "norm_decay_mult",
    "bias_decay_mult",
    "dwconv_decay_mult",
    "flat_decay_mult",
    "bypass_duplicate",
)
#: Rate rules of mmengine's constructor: the groups own the rates, so these contradict them.
_RATE_KEYS = ("bias_lr_mult", "dcn_offset_lr_mult")
_DELETE_HINT = (
    "The layer groups set the rates. Replace the inherited settings by writing "
    "paramwise_cfg=dict(_delete_=True, ...) (or optim_wrapper=dict(_delete_=True, ...))."
)
_FORM = "dict(name=..., patterns=[...])"


@dataclass(frozen=True)
class LayerGroup:
    """Parameters that share one learning-rate multiplier.

    Attributes:
        name: Its name.
        patterns: Shell patterns on full parameter names.
        rest: Whether it takes all parameters that no pattern names.
        lr_mult: Its rate is this times the base rate.
        decay_mult: Its weight decay is this times the base weight decay.
    """

    name: str
    patterns: list[str] = field(default_factory=list)
    rest: bool = False
    lr_mult: float = 1.0
    decay_mult: float = 1.0

    @classmethod
    def read(cls, group: Any, key: str) -> LayerGroup:
        """Check one entry of ``paramwise_cfg.groups``.

        Args:
            group: The entry.
            key: Its config key.

        Raises:
            ValueError: An unknown key, no name, neither or both of ``patterns`` and ``rest``, a
                multiplier below 0.
            TypeError: The entry or its patterns are of the wrong type.
        """
        if not isinstance(group, dict):
            raise TypeError(wrong(key, group, _FORM))
        known = [f.name for f in fields(cls)]
        for unknown in group.keys() - known:
            hint = did_you_mean(unknown, known)
            raise ValueError(f"{key}.{unknown}: no such key; allowed: {', '.join(known)}.{hint}")
        name = group.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(wrong(f"{key}.name", name, "a name (a string) for every group"))
        patterns, rest = group.get("patterns", []), bool(group.get("rest", False))
        if isinstance(patterns, str) or not all(isinstance(p, str) for p in patterns):
            allowed = "a list of strings such as ['backbone.layer1.*']"
            raise TypeError(wrong(f"{key}.patterns", patterns, allowed))
        if bool(patterns) == rest:
            allowed = (
                "either patterns=[...] or rest=True (all parameters that no pattern names), not "
                + ("both" if rest else "neither")
            )
            raise ValueError(wrong(f"{key} ('{name}')", dict(group), allowed))
        mults = {k: _multiplier(group.get(k, 1.0), f"{key}.{k}") for k in known[-2:]}
        return cls(name, list(patterns), rest, **mults)


def read_groups(cfg: dict) -> list[LayerGroup]:
    """Read the layer groups of a ``paramwise_cfg``, written out or by preset.

    Args:
        cfg: The ``paramwise_cfg``.

    Raises:
        ValueError: An unknown key, one that contradicts the groups, or see
            :meth:`LayerGroup.read`.
        TypeError: ``groups`` is no list.
    """
    _check_keys(cfg)
    if "preset" in cfg:
        lr_mult = _multiplier(cfg.get("lr_mult", 1.0), f"{KEY}.lr_mult")
        groups = preset_groups(cfg["preset"], cfg.get("prefix", "backbone"), lr_mult)
    else:
        groups = cfg["groups"]
    if not isinstance(groups, (list, tuple)) or not groups:
        raise TypeError(wrong(f"{KEY}.groups", groups, f"a non-empty list of {_FORM}"))
    return [LayerGroup.read(group, f"{KEY}.groups[{i}]") for i, group in enumerate(groups)]


def _check_keys(cfg: dict) -> None:
    rates = [key for key in _RATE_KEYS if cfg.get(key) is not None]
    rates += [
        f"custom_keys[{name!r}].lr_mult"
        for name, rule in (cfg.get("custom_keys") or {}).items()
        if "lr_mult" in rule
    ]
    if rates:
        raise ValueError(f"{KEY}: {', '.join(rates)} contradicts the layer groups. {_DELETE_HINT}")
    allowed = ("groups", "preset", *_OF_PRESETS, *DECAY_KEYS)
    for key in cfg.keys() - {*allowed, *_RATE_KEYS}:
        raise ValueError(
            f"{KEY}.{key}: no such key; allowed: {', '.join(allowed)}."
            f"{did_you_mean(key, allowed)} If it is inherited from a base config: {_DELETE_HINT}"
        )
    if ("groups" in cfg) == ("preset" in cfg):
        got = [key for key in ("groups", "preset") if key in cfg]
        remedy = "For example paramwise_cfg=dict(preset='resnet', lr_mult=0.1)."
        raise ValueError(wrong(KEY, got, "one of 'groups' and 'preset'", remedy))
    stray = [key for key in _OF_PRESETS if key in cfg and "preset" not in cfg]
    if stray:
        remedy = "Write the full names into the patterns, and lr_mult into each group."
        raise ValueError(wrong(f"{KEY}.{stray[0]}", cfg[stray[0]], "beside 'preset' only", remedy))


def _multiplier(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(wrong(key, value, "a number of at least 0"))
    return float(value)
