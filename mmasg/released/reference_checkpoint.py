"""Checkpoints of the paper's reference implementation, and ours: one into the other.

Three kinds of files were released: segmentation (FCN8s on VGG-16), VisDA (ResNet-101 with a new
classifier) and the policy. Everything here works on what :func:`torch.load` returned; files are
read and written by ``tools/model_converters/asg_checkpoint.py``. Conversion only renames: tensors
are passed on, not copied.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from mmseg.models.backbones import ResNet
from torch import Tensor

from mmasg.errors import first_of
from mmasg.l2o.policy import LSTMPolicy
from mmasg.l2o.policy_names import policy_from_reference, policy_to_reference
from mmasg.models.classifier_head import MLPClassifierHead
from mmasg.models.fcn8s_head import FCN8sHead
from mmasg.models.vgg import VGG16

KINDS = ("segmentation", "visda", "policy")
_IMAGENET_FC = {"fc.weight": (1000, 2048), "fc.bias": (1000,)}

Shapes = dict[str, tuple[int, ...]]


def _rename(names: Mapping[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    return {rename(name): value for name, value in names.items()}


def _segmentation_to_ours(name: str) -> str:
    return ("backbone." if name.startswith("conv") else "decode_head.") + name


def _visda_to_ours(name: str) -> str:
    if name.startswith("fc_new."):
        return "head.fc." + name.removeprefix("fc_new.")
    return f"backbone.{name}"


def _visda_to_reference(name: str) -> str:
    if name.startswith("head.fc."):
        return "fc_new." + name.removeprefix("head.fc.")
    return name.removeprefix("backbone.")


def _to_ours(kind: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "policy":
        return policy_from_reference(weights)
    return _rename(weights, _segmentation_to_ours if kind == "segmentation" else _visda_to_ours)


def _to_theirs(kind: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "policy":
        return policy_to_reference(weights)
    if kind == "visda":
        return _rename(weights, _visda_to_reference)
    return _rename(weights, lambda name: name.partition(".")[2])


@cache
def expected_shapes(kind: str, reference: bool = False) -> Shapes:
    """Every tensor that a checkpoint of one kind holds.

    Args:
        kind: One of :data:`KINDS`.
        reference: In the reference's names (VisDA files then carry ImageNet's ``fc`` too) rather
            than in ours.

    Returns:
        Shapes by name.
    """
    if kind == "policy":
        shapes = {n: tuple(v.shape) for n, v in LSTMPolicy(num_groups=7).state_dict().items()}
    else:
        # On the meta device: half a gigabyte of weights is not allocated to learn their shapes.
        with torch.device("meta"):
            if kind == "segmentation":
                loss = {"type": "mmseg.CrossEntropyLoss", "avg_non_ignore": True}
                parts = {"backbone": VGG16(), "decode_head": FCN8sHead(loss_decode=loss)}
            else:
                parts = {"backbone": ResNet(101), "head": MLPClassifierHead(2048, 12)}
        shapes = {
            f"{part}.{name}": tuple(value.shape)
            for part, module in parts.items()
            for name, value in module.state_dict().items()
        }
    if reference:
        shapes = _to_theirs(kind, shapes)
        if kind == "visda":
            shapes |= _IMAGENET_FC
    return shapes


def recognise(names: Mapping[str, Any], reference: bool) -> str:
    """Kind of a checkpoint, from its names.

    Args:
        names: The tensors by name.
        reference: Whether the reference's names are expected, or ours.

    Returns:
        The kind of :data:`KINDS` that shares most names.

    Raises:
        ValueError: If no kind shares a name.
    """
    shared = {k: len(names.keys() & expected_shapes(k, reference).keys()) for k in KINDS}
    best = max(KINDS, key=lambda kind: shared[kind])
    if shared[best]:
        return best
    other = any(names.keys() & expected_shapes(kind, not reference).keys() for kind in KINDS)
    if other and reference:
        hint = "these are this package's names: nothing to do, or --to-reference for the way back"
    elif other:
        hint = "these are the released files' names already: drop --to-reference"
    else:
        wanted = {kind: next(iter(expected_shapes(kind, reference))) for kind in KINDS}
        hint = f"expected a checkpoint of one of these kinds, with tensors such as {wanted}"
    raise ValueError(f"unknown checkpoint with tensors such as {sorted(names)[:3]}: {hint}")


def _state_dict(content: Any) -> Mapping[str, Tensor]:
    weights = content
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        weights = content["state_dict"]
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f"no state dict in the file, but {type(content).__name__}")
    odd = [
        f"{name!r} ({type(value).__name__})"
        for name, value in weights.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if odd:
        raise ValueError(
            f"the state dict holds something else than tensors by name: {first_of(odd)}"
        )
    return weights


def _check(weights: Mapping[str, Tensor], expected: Shapes, kind: str, hint: str = "") -> None:
    missing = sorted(expected.keys() - weights.keys())
    extra = sorted(weights.keys() - expected.keys())
    wrong = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in sorted(expected.items())
        if name in weights and tuple(weights[name].shape) != shape
    ]
    if not (missing or extra or wrong):
        return
    lines = [f"not a {kind} checkpoint of this method:"]
    for title, names in (("missing", missing), ("extra", extra), ("wrong shape", wrong)):
        lines += [f"  {title}: {name}" for name in names]
    if hint and any(name in missing for name in _IMAGENET_FC):
        lines.append(hint)
    raise ValueError("\n".join(lines))


def _kept(content: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Top-level entries that go along: ``epoch`` and ``best_*``."""
    if content is weights:
        return {}
    return {k: v for k, v in content.items() if k == "epoch" or str(k).startswith("best_")}


def from_reference(content: Any) -> tuple[str, dict[str, Any]]:
    """Turn a released checkpoint into one of this package.

    Args:
        content: What the file holds: a state dict, or a dict with one under ``state_dict``.

    Returns:
        The kind, and the new content: ``meta`` (a policy's says ``carry_state=False``, the way the
        released policies acted), ``state_dict`` in our names, ``epoch`` and ``best_*`` where the
        file had them, and for VisDA ``imagenet_classifier``, the frozen ImageNet ``fc``.

    Raises:
        ValueError: If the kind is unknown, or any tensor is missing, extra or of another shape;
            all are listed.
    """
    weights = _state_dict(content)
    kind = recognise(weights, reference=True)
    _check(weights, expected_shapes(kind, reference=True), kind)
    meta: dict[str, Any] = {"carry_state": False} if kind == "policy" else {}
    converted: dict[str, Any] = {"meta": meta, **_kept(content, weights)}
    if kind == "visda":
        converted["imagenet_classifier"] = {name: weights[name] for name in _IMAGENET_FC}
        weights = {n: value for n, value in weights.items() if n not in _IMAGENET_FC}
    converted["state_dict"] = _to_ours(kind, weights)
    return kind, converted


def to_reference(content: Any) -> tuple[str, dict[str, Any]]:
    """Turn a checkpoint of this package into the released form.

    Args:
        content: What the file holds: a state dict, or a dict with one under ``state_dict``; for
            VisDA with ``imagenet_classifier`` beside it.

    Returns:
        The kind, and the new content: a policy's bare state dict, or ``state_dict`` with
        ``epoch`` and ``best_*`` where the file had them.

    Raises:
        ValueError: As :func:`from_reference`.
    """
    weights = _state_dict(content)
    kind = recognise(weights, reference=False)
    _check(weights, expected_shapes(kind), kind)
    renamed = _to_theirs(kind, weights)
    if kind == "policy":
        return kind, renamed
    if kind == "visda":
        classifier = None if content is weights else content.get("imagenet_classifier")
        renamed |= classifier if isinstance(classifier, Mapping) else {}
        hint = (
            "A released VisDA file carries the frozen ImageNet classifier: put torchvision's "
            "fc.weight and fc.bias under the top-level key imagenet_classifier, beside state_dict."
        )
        _check(renamed, expected_shapes(kind, reference=True), kind, hint)
    return kind, {"state_dict": renamed, **_kept(content, weights)}
