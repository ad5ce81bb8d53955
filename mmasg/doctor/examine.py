"""The whole examination of a config."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmasg.datasets.doctor.inspection import check_config as inspect_data
from mmasg.errors import first_of
from mmasg.guard.config_check import check_config
from mmasg.guard.run_check import check_device

from .additions import HOOK, as_block, hooks_of, with_additions
from .findings import Part
from .network import (
    build_model,
    examine_eval_mode,
    examine_groups,
    examine_teacher,
    nested_student,
)
from .policy import examine_policy
from .step import examine_step

#: Seconds that an address of weights has to answer in.
_PATIENCE = 15


def examine(
    cfg: Config, base: str, step: bool = True, samples: int | None = 20, workers: int = 0
) -> list[Part]:
    """Say what a training by a config will do, and what will stop or spoil it.

    A config without ``ImageNetConsistencyHook`` is examined with the three additions made.

    Args:
        cfg: The config, with its ``custom_imports`` done.
        base: The config's path, for the block to paste.
        step: Whether one step is done on random images.
        samples: How many samples of each data loader are opened; None: all.
        workers: Processes that open them; 0: one a core.

    Returns:
        The parts of the examination.
    """
    if inner := _trained_by_policy(cfg):
        base, overrides = inner["config"], inner.get("overrides")
        cfg = Config.fromfile(base)
        cfg.merge_from_dict(dict(overrides or {}))
    init_default_scope(cfg.get("default_scope", "mmseg"))
    names = Part(f"config {base}" if inner else "config")
    if inner:
        names.facts.append("the config trains a policy; what it learns on is examined in its place")
    with names.catching():
        check_config(cfg)
    with names.catching():
        check_device(cfg)
    parts = [names]
    model = _model(cfg, parts)
    if model is not None:
        if not hooks_of(cfg, HOOK):
            cfg = _with_additions(cfg, model, base, parts)
        parts.append(examine_groups(cfg, model))
        with _patience():
            of_teacher, teacher = examine_teacher(cfg, model)
        parts += [of_teacher, examine_eval_mode(cfg, model, teacher), examine_policy(cfg, model)]
        if step:
            parts.append(examine_step(cfg, model, teacher))
    parts.append(_data(cfg, samples, workers))
    if not names.errors:
        names.facts.append("names, keywords and device: nothing wrong")
    return parts


def _trained_by_policy(cfg: Config) -> Mapping[str, Any] | None:
    """Return the first environment of a policy's training; None of any other training."""
    environments = (cfg.get("train_cfg") or {}).get("environments")
    first = environments[0] if isinstance(environments, (list, tuple)) else environments
    return first if isinstance(first, Mapping) and isinstance(first.get("config"), str) else None


def _model(cfg: Config, parts: list[Part]) -> nn.Module | None:
    part = Part("model")
    with part.catching():
        return build_model(cfg)
    part.errors.append(
        "The model cannot be built here, so nothing more of it is known: install what the message "
        "above names, or correct the config"
    )
    parts.append(part)
    return None


def _with_additions(cfg: Config, model: nn.Module, base: str, parts: list[Part]) -> Config:
    part = Part(f"the config has no {HOOK}; from here on it is examined with these additions")
    added = cfg
    with part.catching():
        name = nested_student(model)
        backbone = cfg.model.get("backbone") or {}
        inner = backbone.get("backbone_cfg") if name != "backbone" else backbone
        added = with_additions(cfg, inner or backbone, name)
        part.facts.append(as_block(base, added))
        rules = (cfg.optim_wrapper.get("paramwise_cfg") or {}).get("custom_keys") or {}
        if rates := [f"{k} x {r['lr_mult']:g}" for k, r in rules.items() if "lr_mult" in r]:
            part.warnings.append(
                f"its own rates of single layers ({first_of(rates)}) are replaced: the head trains "
                f"at the base rate, optim_wrapper.optimizer.lr={cfg.optim_wrapper.optimizer.lr:g}, "
                "the backbone at a tenth of it. Set another lr where that is not what is wanted"
            )
        own = cfg.optim_wrapper.get("constructor")
        if own:
            part.warnings.append(
                f"optim_wrapper.constructor={own!r} is replaced: what rates it gave to single "
                "layers is gone. Write its layers as groups=[...] where that matters"
            )
    parts.append(part)
    return added


def _data(cfg: Config, samples: int | None, workers: int) -> Part:
    part = Part("data")
    with part.catching():
        for report in inspect_data(cfg, samples, workers):
            if report.datasets:
                part.facts.append(
                    f"{report.name}: {', '.join(report.datasets)}, {len(report.classes)} classes, "
                    f"{report.listed} listed, {report.opened} opened"
                )
            part.errors += [f"{report.name}: {text}" for text in report.errors]
            part.warnings += [f"{report.name}: {text}" for text in report.warnings]
    return part


@contextmanager
def _patience() -> Iterator[None]:
    """Let addresses that do not answer fail soon."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
