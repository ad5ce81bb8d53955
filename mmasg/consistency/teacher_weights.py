"""Loading of a teacher's ImageNet weights in which no tensor is lost."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

_KEY = "ImageNetConsistencyHook"


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


def load_every_tensor(
    backbone: nn.Module, tensors: dict[str, Tensor], checkpoint: str, new_norm: str | None
) -> set[str]:
    """Load the backbone by its own ``init_weights`` and check that everything came.

    Backbones convert ImageNet names each in their own way (MiT, Swin), so what did not load is
    found by value: everything is set to NaN before. ``new_norm`` names one of the norms that
    segmentation puts on the outputs, which may be missing.
    """
    before = {k: v.detach().clone() for k, v in backbone.state_dict().items()}
    _forget_initialisation(backbone)
    with torch.no_grad():
        for value in backbone.state_dict().values():
            if value.is_floating_point():
                value.fill_(float("nan"))
    backbone.init_weights()  # type: ignore[operator]
    state = backbone.state_dict()
    missing = [k for k, v in state.items() if v.is_floating_point() and bool(v.isnan().any())]
    allowed = _output_norms(new_norm)
    lost = [k for k in missing if not (allowed and allowed.match(k))]
    known = {k.split(".")[0] for k in state}
    homeless = [k for k in tensors if k not in state and k.split(".")[0] in known]
    if not any(k in state for k in tensors):
        homeless = []  # the file's names are converted by the backbone: not comparable
    if lost or homeless:
        raise ValueError(
            f"{_KEY}: the ImageNet file {checkpoint!r} does not fit the backbone "
            f"{type(backbone).__name__}. "
            + (f"{len(lost)} of its tensors were not loaded: {_some(lost)}. " if lost else "")
            + (
                f"The file has {len(homeless)} without a place: {_some(homeless)}. "
                * bool(homeless)
            )
            + "Give the checkpoint of this very architecture by the backbone's init_cfg or by "
            "teacher='path or name'"
        )
    with torch.no_grad():
        for k in missing:
            state[k].copy_(before[k])
    return {k for k in state if k not in missing}


def _forget_initialisation(backbone: nn.Module) -> None:
    for module in backbone.modules():
        if hasattr(module, "_is_init"):
            setattr(module, "_is_init", False)  # noqa: B010


def _output_norms(new_norm: str | None) -> re.Pattern | None:
    """Return what the tensors of the norms on the outputs are called: norm0 ... norm3."""
    if new_norm is None:
        return None
    return re.compile(rf"{re.escape(new_norm.rstrip('0123456789'))}\d*\.")


def _some(names: list[str], limit: int = 6) -> str:
    return ", ".join(names[:limit]) + (f", ... ({len(names)})" if len(names) > limit else "")
