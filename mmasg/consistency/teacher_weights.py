"""Loading of a teacher's ImageNet weights in which no tensor is lost."""

from __future__ import annotations

import re
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmasg.errors import first_of

from .classifier_file import is_weight

_KEY = "ImageNetConsistencyHook"


def plain_student(model: nn.Module, name: str, cfg: Any) -> nn.Module:
    """Return the student with whole, plain parameters, from which a copy can be made.

    Args:
        model: The unwrapped model, sharded or not.
        name: Dotted name of the student in it.
        cfg: The model's config.
    """
    student = model.get_submodule(name)
    sharded = any(
        "DTensor" in type(p).__name__ or "Flat" in type(p).__name__ for p in student.parameters()
    )
    if not sharded and not any("FullyShard" in type(m).__name__ for m in model.modules()):
        return student
    # Sharded parameters cannot be copied: build the model once more, and keep its backbone.
    return MODELS.build(cfg).get_submodule(name)


def check_same_architecture(student: nn.Module, teacher: nn.Module) -> None:
    """Raise a ValueError where the tensors of two networks differ in name or shape."""
    ours = {k: tuple(v.shape) for k, v in student.state_dict().items()}
    theirs = {k: tuple(v.shape) for k, v in teacher.state_dict().items()}
    differing = [k for k in {**ours, **theirs} if ours.get(k) != theirs.get(k)]
    if differing:
        k = differing[0]
        raise ValueError(
            f"{_KEY}.teacher: {type(teacher).__name__} has another architecture than the student "
            f"{type(student).__name__}: {len(differing)} tensors differ, first {k} (student "
            f"{ours.get(k)}, teacher {theirs.get(k)}). Copy the student's backbone config, or give "
            "the checkpoint alone: teacher='path or name'"
        )


def own_names(backbone: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a file's tensors under the backbone's own names, where it says how to."""
    rename = getattr(backbone, "rename_imagenet", None)
    return tensors if rename is None else rename(tensors)


def load_every_tensor(
    backbone: nn.Module,
    tensors: dict[str, Tensor],
    checkpoint: str,
    new_norms: str | None,
    zeros: str | None,
) -> set[str]:
    """Load the backbone by its own ``init_weights`` and check that everything came.

    Backbones convert ImageNet names each in their own way (MiT, Swin), so what did not load is
    found by value: everything is set to NaN before. ``new_norms`` is how the names of the norms
    begin that segmentation puts on the outputs, which may be missing (Swin's norm0 ... norm3),
    ``zeros`` how those end that are 0 where they are missing.
    """
    tensors = own_names(backbone, tensors)
    before = {k: v.detach().clone() for k, v in backbone.state_dict().items()}
    for module in backbone.modules():
        if isinstance(module, BaseModule):
            module.is_init = False  # mmengine initialises a module once
    with torch.no_grad():
        for value in backbone.state_dict().values():
            if value.is_floating_point():
                value.fill_(float("nan"))
    backbone.init_weights()  # type: ignore[operator]
    state = backbone.state_dict()
    if zeros is not None:
        for k, v in state.items():
            if k.endswith(zeros) and k not in tensors:
                v.zero_()
    missing = [k for k, v in state.items() if v.is_floating_point() and bool(v.isnan().any())]
    allowed = re.compile(rf"{re.escape(new_norms)}\d*\.") if new_norms else None
    lost = [k for k in missing if not (allowed and allowed.match(k))]
    known = {k.split(".")[0] for k in state}
    homeless = [k for k in tensors if k not in state and k.split(".")[0] in known and is_weight(k)]
    if not any(k in state for k in tensors):
        homeless = []  # the file's names are converted by the backbone: not comparable
    if lost or homeless:
        raise ValueError(
            f"{_KEY}: the ImageNet file {checkpoint!r} does not fit the backbone "
            f"{type(backbone).__name__}. "
            + (f"{len(lost)} of its tensors were not loaded: {first_of(lost, 6)}. " if lost else "")
            + (
                f"The file has {len(homeless)} without a place: {first_of(homeless, 6)}. "
                * bool(homeless)
            )
            + "Give the checkpoint of this very architecture by the backbone's init_cfg or by "
            "teacher='path or name'"
        )
    with torch.no_grad():
        for k in missing:
            state[k].copy_(before[k])
    return {k for k in state if k not in missing}
