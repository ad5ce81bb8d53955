"""What a training will do with the model: layer groups, the teacher, layers in eval mode."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, MODELS, init_default_scope
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmasg.consistency.distances import stages_of
from mmasg.consistency.eval_mode import (
    EvalMode,
    is_dropout,
    new_batch_norms,
    parts_with_checkpoint,
    pretrained_entry,
)
from mmasg.consistency.hook import ImageNetConsistencyHook
from mmasg.consistency.imagenet_networks import network_end
from mmasg.consistency.teacher import ImageNetTeacher, build_teacher, find_student
from mmasg.errors import first_of
from mmasg.optim.group_assignment import assign
from mmasg.optim.group_table import group_table
from mmasg.optim.layer_group import read_groups

from .additions import CONSTRUCTOR, HOOK, hooks_of, lacks_classifier
from .findings import Part

_LEFT_OVER = "The model and loaded state dict do not match exactly"


def build_model(cfg: Config) -> nn.Module:
    """Build the model as a training on one process does, with random weights.

    Raises:
        Exception: Whatever the classes that the config names raise.
    """
    init_default_scope(cfg.get("default_scope", "mmseg"))
    return revert_sync_batchnorm(MODELS.build(copy.deepcopy(cfg.model)))


def student_of(cfg: Config, model: nn.Module) -> str:
    """Return the name of the part that starts from ImageNet, as the config's hook finds it.

    Raises:
        ValueError: There is none.
    """
    hook = HOOKS.build(copy.deepcopy(dict(hooks_of(cfg, HOOK)[0])))
    return find_student(model, hook.student_module, hook.teacher_cfg is not None)


def examine_groups(cfg: Config, model: nn.Module) -> Part:
    """Say which parameters are trained at which rate, and which are frozen."""
    parameters = dict(model.named_parameters())
    total = sum(p.numel() for p in parameters.values())
    frozen = {n: p for n, p in parameters.items() if not p.requires_grad}
    part = Part("layers", [f"{type(model).__name__}: {total:,} parameters"])
    part.facts.append(
        f"frozen (requires_grad=False): {sum(p.numel() for p in frozen.values()):,} parameters, "
        f"{first_of(sorted({'.'.join(n.split('.')[:2]) for n in frozen}), 6)}"
    )
    wrapper: Any = cfg.get("optim_wrapper") or {}
    if "optimizer" not in wrapper:
        part.errors.append(
            "optim_wrapper: the config has no single optimizer, which a training needs. Set "
            "optim_wrapper=dict(type='OptimWrapper', optimizer=dict(...))"
        )
        return part
    with part.catching():
        if wrapper.get("constructor") == CONSTRUCTOR:
            rules = {k: v for k, v in wrapper.get("paramwise_cfg", {}).items() if k != "_delete_"}
            groups = read_groups(rules)
            assignment = assign(model, groups, "preset" in rules)
            part.facts.append(group_table(model, groups, assignment, wrapper.optimizer.lr))
        # On the CPU whatever the machine has: mixed precision's wrapper would refuse.
        plain = copy.deepcopy(wrapper)
        plain.type = "OptimWrapper"
        for key in ("loss_scale", "dtype", "use_fsdp"):
            plain.pop(key, None)
        optimizer = build_optim_wrapper(model, plain).optimizer
        part.facts.append(f"{type(optimizer).__name__}, {len(optimizer.param_groups)} entries")
    return part


def examine_teacher(cfg: Config, model: nn.Module) -> tuple[Part, ImageNetTeacher | None]:
    """Say where the ImageNet weights come from, and whether a teacher can be made of them.

    Returns:
        The findings, and the teacher where there is one.
    """
    part, teacher = Part("ImageNet teacher"), None
    with part.catching():
        options = hooks_of(cfg, HOOK)[0]
        hook: ImageNetConsistencyHook = HOOKS.build(copy.deepcopy(dict(options)))
        name = find_student(model, hook.student_module, hook.teacher_cfg is not None)
        student = model.get_submodule(name)
        source = _source(hook, student)
        with_classifier = any(loss.needs == "predictions" for loss in hook.losses)
        part.facts += [
            f"student: model.{name} ({type(student).__name__}), weights from {source}",
            *(
                f"loss: {type(loss).__name__}, weight {weight:g}"
                + (", measured and not trained on" if weight == 0 else "")
                for loss, weight in zip(hook.losses, hook.weights, strict=True)
            ),
        ]
        own = hook.classifier_cfg is None and isinstance(source, str)
        if with_classifier and own and lacks_classifier(source):
            part.warnings.append(
                f"{source} is known to hold the backbone alone, without the ImageNet classifier. "
                "Give the authors' original by classifier=dict(checkpoint=...), or use "
                "loss=dict(type='FeatureCosineLoss')"
            )
        end = network_end(student, hook.feature, f"{HOOK}.feature")
        if with_classifier and end.refusal and "type" not in (hook.classifier_cfg or {}):
            part.errors.append(
                f"the ImageNet prediction of {type(student).__name__} is not known: {end.refusal}. "
                "Use loss=dict(type='FeatureCosineLoss') or loss=dict(type='FeatureL2Loss')"
            )
            return part, None
        teacher = build_teacher(
            student,
            hook.teacher_cfg,
            hook.classifier_cfg,
            hook.feature,
            with_classifier,
            stages=stages_of(hook.losses),
        )
        classes = "no classifier is needed"
        if teacher.classifier is not None:
            width = getattr(teacher.classifier, "in_channels", "?")
            classes = f"its classifier ({type(teacher.classifier).__name__}, {width} channels) fits"
        # What mmengine says of every ImageNet file: that it holds a classifier, too.
        part.warnings[:] = [w for w in part.warnings if not w.startswith(_LEFT_OVER)]
        part.facts.append(f"{len(teacher.loaded)} tensors of the file fill the backbone; {classes}")
    return part, teacher


def _source(hook: ImageNetConsistencyHook, student: nn.Module) -> str:
    if isinstance(hook.teacher_cfg, str):
        return hook.teacher_cfg
    if hook.teacher_cfg is not None:
        return "its own config (teacher=dict(...))"
    entry = pretrained_entry(student)
    return str(entry["checkpoint"]) if entry else "nowhere"


def examine_eval_mode(cfg: Config, model: nn.Module, teacher: ImageNetTeacher | None) -> Part:
    """Say which layers stay in eval mode while the model trains."""
    part = Part("eval mode")
    with part.catching():
        hook = hooks_of(cfg, HOOK)[0]
        mode = hook.get("eval_mode", "pretrained")
        try:
            name = student_of(cfg, model)
        except ValueError:  # said where the teacher is looked at
            part.facts.append("not known: no part of the model starts from ImageNet")
            return part
        loaded = teacher.loaded if teacher is not None else None
        new = new_batch_norms(model, name, loaded)
        norms = [n for n, m in model.named_modules() if isinstance(m, _BatchNorm)]
        random = [n for n, m in model.named_modules() if is_dropout(m)]
        EvalMode(model, mode, name, loaded)  # warns of what the mode would spoil
        says = {
            "all": f"'all': the whole model, {len(norms)} BatchNorm layers and {len(random)} of "
            "dropout among it",
            "pretrained": f"'pretrained': {len(norms) - len(new)} BatchNorm layers of ImageNet's "
            f"and {len(random)} of dropout stay in eval mode; {len(new)} new BatchNorm layers "
            f"train ({first_of(new, 3)})",
            None: "None: every layer trains as usual, so student and teacher differ from the start",
        }
        part.facts.append(says.get(mode, f"{mode!r}"))
    return part


def nested_student(model: nn.Module) -> str:
    """Return the part that starts from a checkpoint, ``'backbone'`` where that is not clear."""
    backbone = getattr(model, "backbone", None)
    if isinstance(backbone, nn.Module) and not pretrained_entry(backbone):
        inside = parts_with_checkpoint(backbone)
        if len(inside) == 1:
            return f"backbone.{inside[0]}"
    return "backbone"
