"""Optimizer-wrapper constructor that sorts a model's parameters into ordered layer groups."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS

from mmasg.errors import did_you_mean, first_of

from .group_presets import preset_groups

_KEY = "optim_wrapper.paramwise_cfg"
_OWN_KEYS = ("groups", "preset", "prefix", "lr_mult")
_GROUP_KEYS = ("name", "patterns", "rest", "lr_mult", "decay_mult")
#: Weight-decay rules of mmengine's constructor that live on beside the groups.
_DECAY_KEYS = (
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
    "paramwise_cfg=dict(_delete_=True, ...) (or optim_wrapper=dict(_delete_=True, ...))"
)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerGroupOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Give every layer group its own learning-rate multiplier (ASG paper, layer-wise rates).

    Every trainable parameter belongs to exactly one group, and the order of the groups is the
    order in which a learning-rate policy sees them. Paste into a config::

        optim_wrapper = dict(
            type='OptimWrapper',
            constructor='LayerGroupOptimWrapperConstructor',
            optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
            paramwise_cfg=dict(groups=[
                dict(name='stem', patterns=['backbone.conv1.*', 'backbone.bn1.*'], lr_mult=0.1),
                dict(name='body', patterns=['backbone.layer?.*'], lr_mult=0.1),
                dict(name='head', rest=True),
            ]))

    or, for a known backbone, ``paramwise_cfg=dict(preset='resnet', lr_mult=0.1)``.

    Keys of ``paramwise_cfg``:

    - ``groups`` (list[dict]): ``name`` (str); ``patterns`` (list[str]), shell patterns (``*``,
      ``?``, ``[...]``) on full parameter names; or ``rest=True`` for all parameters that no
      pattern names (one group at the most); ``lr_mult`` (float, default 1.0); ``decay_mult``
      (float, default 1.0).
    - ``preset`` (str) instead of ``groups``, see :mod:`mmasg.optim.group_presets`; with
      ``prefix`` (str, default ``'backbone'``), the backbone's place in the model, and
      ``lr_mult`` (float, default 1.0), that of every group but the last.
    - ``custom_keys`` with ``decay_mult``, ``norm_decay_mult``, ``bias_decay_mult``,
      ``dwconv_decay_mult``, ``flat_decay_mult``, ``bypass_duplicate``: as in mmengine, on top
      of the groups (they split a layer group into several optimizer groups that share one
      multiplier). Their ``lr_mult`` counterparts are errors.

    Every entry of ``optimizer.param_groups`` carries ``group_name``, ``group_index`` (the
    group's place, from 0) and ``lr_mult``; its ``lr`` is the base rate times ``lr_mult``.

    Raises:
        ValueError: A pattern matches nothing, a parameter is in two groups or in none, a group
            holds no trainable parameter, a key is unknown, or an inherited ``lr_mult``
            contradicts the groups.
        TypeError: ``groups`` or ``patterns`` are of the wrong type.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        paramwise_cfg = dict(paramwise_cfg or {})
        # mmengine leaves it in place where the base config has nothing to delete.
        paramwise_cfg.pop("_delete_", None)
        _check_keys(paramwise_cfg)
        self.layer_groups = _read_groups(paramwise_cfg)
        inherited = {k: v for k, v in paramwise_cfg.items() if k in _DECAY_KEYS}
        super().__init__(optim_wrapper_cfg, inherited)
        if self.base_lr is None:
            raise ValueError(
                "optim_wrapper.optimizer.lr is missing: the layer groups multiply it; "
                "write optimizer=dict(..., lr=...)"
            )
        decayed = [group["name"] for group in self.layer_groups if group["decay_mult"] != 1]
        if decayed and self.base_wd is None:
            raise ValueError(
                f"{_KEY}: groups {decayed} have a decay_mult, but the optimizer has no "
                "weight_decay to multiply; write optimizer=dict(..., weight_decay=...)"
            )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper of ``model`` (unwrapped first where it is wrapped)."""
        model = getattr(model, "module", model)
        assignment = _assign(model, self.layer_groups)
        params = self._merge(model, assignment)
        optimizer_cfg = self.optimizer_cfg.copy()
        optimizer = OPTIMIZERS.build(optimizer_cfg, default_args=dict(params=params))
        wrapper_cfg = dict(self.optim_wrapper_cfg)
        wrapper_cfg.setdefault("type", "OptimWrapper")
        print_log(
            "Layer groups:\n" + group_table(model, self.layer_groups, assignment, self.base_lr),
            logger="current",
        )
        return OPTIM_WRAPPERS.build(wrapper_cfg, default_args=dict(optimizer=optimizer))

    def _merge(self, model: nn.Module, assignment: dict[str, int]) -> list[dict]:
        """Merge mmengine's one group per parameter into one per (layer group, settings)."""
        per_parameter: list[dict] = []
        self.add_params(per_parameter, model)
        names = {id(p): name for name, p in model.named_parameters()}
        merged: dict[tuple, dict] = {}
        seen: set[int] = set()
        for entry in per_parameter:
            (parameter,) = entry.pop("params")
            if id(parameter) in seen:  # shared between modules: the first place counts
                continue
            seen.add(id(parameter))
            index = assignment.get(names[id(parameter)])
            if index is None:  # frozen; the original mmengine lists those too
                continue
            group = self.layer_groups[index]
            entry.pop("lr", None)
            entry.pop("decay_mult", None)
            if self.base_wd is not None:
                decay = entry.get("weight_decay", self.base_wd)
                entry["weight_decay"] = decay * group["decay_mult"]
            key = (index, *sorted((k, repr(v)) for k, v in entry.items()))
            if key not in merged:
                merged[key] = dict(
                    params=[],
                    lr=self.base_lr * group["lr_mult"],
                    group_name=group["name"],
                    group_index=index,
                    lr_mult=group["lr_mult"],
                    **entry,
                )
            merged[key]["params"].append(parameter)
        return sorted(merged.values(), key=lambda entry: entry["group_index"])


def group_table(
    model: nn.Module, groups: list[dict], assignment: dict[str, int], base_lr: float
) -> str:
    """Return the groups as a text table: patterns, tensors, parameters, rate."""
    parameters = dict(model.named_parameters())
    rows = [("#", "group", "patterns", "tensors", "parameters", "lr_mult", "lr")]
    for index, group in enumerate(groups):
        members = [parameters[name] for name, i in assignment.items() if i == index]
        rows.append(
            (
                str(index),
                group["name"],
                "(all others)" if group["rest"] else " ".join(group["patterns"]),
                str(len(members)),
                f"{sum(p.numel() for p in members):,}",
                f"{group['lr_mult']:g}",
                f"{base_lr * group['lr_mult']:g}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = {1, 2}
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i in left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _check_keys(cfg: dict) -> None:
    rates = [key for key in _RATE_KEYS if cfg.get(key) is not None]
    rates += [
        f"custom_keys[{name!r}].lr_mult"
        for name, rule in (cfg.get("custom_keys") or {}).items()
        if "lr_mult" in rule
    ]
    if rates:
        raise ValueError(f"{_KEY}: {', '.join(rates)} contradicts the layer groups. {_DELETE_HINT}")
    allowed = (*_OWN_KEYS, *_DECAY_KEYS, *_RATE_KEYS)
    unknown = [key for key in cfg if key not in allowed]
    if unknown:
        hint = did_you_mean(unknown[0], allowed)
        raise ValueError(
            f"{_KEY}: unknown key(s) {unknown}, allowed are {list(_OWN_KEYS + _DECAY_KEYS)}.{hint} "
            f"If they are inherited from a base config: {_DELETE_HINT}"
        )
    if ("groups" in cfg) == ("preset" in cfg):
        raise ValueError(
            f"{_KEY}: give either 'groups' or 'preset', got "
            f"{'both' if 'groups' in cfg else 'neither'}; for example "
            "paramwise_cfg=dict(preset='resnet', lr_mult=0.1)"
        )
    stray = [key for key in ("prefix", "lr_mult") if key in cfg and "preset" not in cfg]
    if stray:
        raise ValueError(
            f"{_KEY}: {stray} belong to 'preset'; with 'groups' write the full names into the "
            "patterns and lr_mult into each group"
        )


def _read_groups(cfg: dict) -> list[dict]:
    if "preset" in cfg:
        lr_mult = _multiplier(cfg.get("lr_mult", 1.0), f"{_KEY}.lr_mult")
        groups = preset_groups(cfg["preset"], cfg.get("prefix", "backbone"), lr_mult)
    else:
        groups = cfg["groups"]
    if not isinstance(groups, (list, tuple)) or not groups:
        raise TypeError(
            f"{_KEY}.groups: got {groups!r}; it has to be a non-empty list of "
            "dict(name=..., patterns=[...])"
        )
    return [_read_group(group, f"{_KEY}.groups[{i}]") for i, group in enumerate(groups)]


def _read_group(group: Any, key: str) -> dict:
    if not isinstance(group, dict):
        raise TypeError(f"{key}: got {group!r}; it has to be dict(name=..., patterns=[...])")
    unknown = [k for k in group if k not in _GROUP_KEYS]
    if unknown:
        hint = did_you_mean(unknown[0], _GROUP_KEYS)
        raise ValueError(f"{key}: unknown key(s) {unknown}, allowed are {list(_GROUP_KEYS)}.{hint}")
    name = group.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{key}.name: got {name!r}; every group needs a name (a string)")
    patterns, rest = group.get("patterns", []), bool(group.get("rest", False))
    if isinstance(patterns, str) or not all(isinstance(p, str) for p in patterns):
        raise TypeError(
            f"{key}.patterns: got {patterns!r}; it has to be a list of strings such as "
            "['backbone.layer1.*']"
        )
    if bool(patterns) == rest:
        raise ValueError(
            f"{key} ('{name}'): give either patterns=[...] or rest=True (all parameters that no "
            f"pattern names), got {'both' if rest else 'neither'}"
        )
    return dict(
        name=name,
        patterns=list(patterns),
        rest=rest,
        lr_mult=_multiplier(group.get("lr_mult", 1.0), f"{key}.lr_mult"),
        decay_mult=_multiplier(group.get("decay_mult", 1.0), f"{key}.decay_mult"),
    )


def _multiplier(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{key}: got {value!r}; it has to be a number of at least 0")
    return float(value)


def _assign(model: nn.Module, groups: list[dict]) -> dict[str, int]:
    """Map every trainable parameter's name to its group's index, or raise."""
    names = [group["name"] for group in groups]
    if len(set(names)) != len(names):
        raise ValueError(f"{_KEY}.groups: names have to differ, got {names}")
    if sum(group["rest"] for group in groups) > 1:
        raise ValueError(f"{_KEY}.groups: one group at the most may have rest=True")
    everything = [name for name, _ in model.named_parameters()]
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    owners: dict[str, list[int]] = {name: [] for name in trainable}
    for index, group in enumerate(groups):
        for pattern in group["patterns"]:
            hits = [name for name in everything if fnmatchcase(name, pattern)]
            if not hits:
                raise ValueError(_no_match(pattern, group["name"], everything))
            for name in hits:
                if name in owners and index not in owners[name]:
                    owners[name].append(index)
    rest = next((i for i, group in enumerate(groups) if group["rest"]), None)
    if rest is not None:
        for found in owners.values():
            if not found:
                found.append(rest)
    twice = [f"{n} ({', '.join(names[i] for i in f)})" for n, f in owners.items() if len(f) > 1]
    if twice:
        raise ValueError(
            f"{_KEY}.groups: {len(twice)} parameter(s) in more than one group: "
            f"{first_of(twice)}. Make the patterns disjoint"
        )
    missing = [name for name, found in owners.items() if not found]
    if missing:
        raise ValueError(
            f"{_KEY}.groups: {len(missing)} trainable parameter(s) in no group: "
            f"{first_of(missing)}. Add a pattern, or a last group dict(name='head', rest=True)"
        )
    assignment = {name: found[0] for name, found in owners.items()}
    for index, group in enumerate(groups):
        if index not in assignment.values():
            raise ValueError(
                f"{_KEY}.groups[{index}] ('{group['name']}') holds no trainable parameter"
                + (
                    ": nothing is left for rest=True"
                    if group["rest"]
                    else ": all that its patterns match are frozen (requires_grad=False)"
                )
                + ". Drop the group, or unfreeze its layers (frozen_stages=-1)"
            )
    return assignment


def _no_match(pattern: str, group: str, names: list[str]) -> str:
    heads = sorted({".".join(name.split(".")[:2]) for name in names})
    return (
        f"{_KEY}.groups: pattern {pattern!r} of group '{group}' matches no parameter. The model's "
        f"parameters begin with {first_of(heads, 12)}. Correct the pattern (shell style, full "
        "names), or give the backbone's place by prefix= where the groups come from a preset"
    )
