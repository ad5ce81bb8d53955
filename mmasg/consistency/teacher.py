"""The frozen ImageNet teacher: a copy of the student's backbone with its ImageNet weights."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..engine.eval_mode import get_student, parts_with_checkpoint, pretrained_checkpoint
from .classifiers import build_classifier
from .fold_batch_norm import fold_batch_norms
from .imagenet_file import read_imagenet_file
from .taps import FeatureTap, named_part

_KEY = "ImageNetConsistencyHook"


@dataclass
class Prediction:
    """What a teacher gives for a batch: ``features`` and, with a classifier, ``logits``."""

    features: Tensor
    logits: Tensor | None


class ImageNetTeacher(nn.Module):
    """Frozen backbone ``f_t`` and frozen classifier ``g`` (ASG, section 3.1).

    It lives beside the model that trains, never inside it: it enters no checkpoint, no
    optimizer, no average of weights and no ``model.train()``.

    Args:
        backbone: With ImageNet weights; frozen and set to eval mode here.
        classifier: Maps features to ImageNet logits, or None where the loss needs none.
        feature: Which feature the classifier takes, see :class:`FeatureTap`.
        loaded: Names of the backbone's tensors that the ImageNet file filled.
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module | None, feature: int | str, loaded: set
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.feature = feature
        self.loaded = loaded
        self.requires_grad_(False)
        # On a line of its own: several of mmseg's backbones return None from train().
        self.backbone.eval()
        self._tap = FeatureTap(backbone, feature, f"{_KEY}.feature")
        self._folded = False

    def train(self, mode: bool = True) -> ImageNetTeacher:
        """Stay in eval mode, whatever is asked."""
        return self

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Prediction:
        """Return features and logits of preprocessed images (N, 3, H, W)."""
        if not self._folded:
            self._fold(inputs)
        features = self._features(inputs)
        return Prediction(features, self.classify(features))

    def _features(self, inputs: Tensor) -> Tensor:
        self._tap.enabled = True
        try:
            self.backbone(inputs)
            return self._tap.features[-1]
        finally:
            self._tap.clear()
            self._tap.enabled = False

    @torch.compiler.disable
    def _fold(self, inputs: Tensor) -> None:
        # With the first images and not when it is built: which layers follow each other is seen
        # in a run, and what images the network takes is known only now.
        self._folded = True
        with torch.autocast(inputs.device.type, enabled=False):
            fold_batch_norms(self.backbone, lambda: self._features(inputs[:1].float()))

    def classify(self, features: Tensor) -> Tensor | None:
        """Return the ImageNet logits of features, in float32; gradients pass through.

        Raises:
            ValueError: The classifier takes another number of channels.
        """
        if self.classifier is None:
            return None
        channels = features.shape[1 if features.ndim == 4 else -1]
        expected = getattr(self.classifier, "in_channels", channels)
        if channels != expected:
            raise ValueError(
                f"{_KEY}.feature: the feature map {self.feature!r} of "
                f"{type(self.backbone).__name__} has {channels} channels, but the ImageNet "
                f"classifier takes {expected}. Choose another feature=, or the classifier that "
                "belongs to this backbone by classifier=dict(checkpoint=..., prefix=...)"
            )
        with torch.autocast(features.device.type, enabled=False):
            return self.classifier(features.float())


def find_student(model: nn.Module, name: str, teacher_given: bool) -> str:
    """Return the dotted name of the module that starts from an ImageNet checkpoint.

    ``name`` itself, or, where that has no checkpoint and one module inside it has (BiSeNet,
    STDC), that one.

    Raises:
        ValueError: The model has no module ``name``, or nothing in it names a checkpoint.
    """
    module = get_student(model, name, f"{_KEY}.student_module")
    if teacher_given or pretrained_checkpoint(module):
        return name
    nested = [f"{name}.{child}" for child in parts_with_checkpoint(module)]
    if len(nested) == 1:
        return nested[0]
    if nested:
        raise ValueError(
            f"{_KEY}.student_module: several modules of '{name}' start from a checkpoint: "
            f"{', '.join(nested)}. Name the one that ImageNet fills by student_module="
        )
    raise ValueError(
        f"{_KEY}: model.{name} ({type(module).__name__}) starts from random weights, so there is "
        "no ImageNet teacher to copy. Looked for model.pretrained, "
        f"{name}.init_cfg and the init_cfg of nested backbones. Set "
        "init_cfg=dict(type='Pretrained', checkpoint=...) on the backbone (BiSeNet and STDC: on "
        "backbone.backbone_cfg, as their in1k-pre configs do), or name the weights by "
        "teacher='path or name of an ImageNet checkpoint'"
    )


def default_feature(student: nn.Module) -> int | str:
    """Return the feature that a backbone's ImageNet classifier takes.

    The last feature map; for Swin, stage 4 before the norm that segmentation puts on it: the
    ImageNet norm, which the classifier brings, belongs there.
    """
    if type(student).__name__ == "SwinTransformer":
        return f"norm{len(student.stages) - 1}"  # type: ignore[arg-type]
    return -1


def build_teacher(
    student: nn.Module,
    teacher: str | dict | None = None,
    classifier: dict | None = None,
    feature: int | str | None = None,
    with_classifier: bool = True,
) -> ImageNetTeacher:
    """Build the teacher of a student.

    Args:
        student: The backbone that trains; copied, not changed.
        teacher: None: the student's own ``init_cfg`` names the weights. A string: another
            checkpoint for the same architecture. A dict: config of a backbone of the same
            architecture with an ``init_cfg``.
        classifier: None: the classifier of the same file. ``dict(checkpoint=..., prefix=...)``:
            of another file or another name in it. ``dict(type=...)``: a registered module that
            maps features to logits.
        feature: See :class:`FeatureTap`; None: :func:`default_feature`.
        with_classifier: Whether the loss needs one.

    Raises:
        ValueError: Weights that do not fit, a missing classifier, unknown keys.
        FileNotFoundError: A checkpoint that is not there.
        TypeError: ``teacher`` or ``classifier`` of the wrong type.
    """
    if teacher is not None and not isinstance(teacher, (str, dict)):
        raise TypeError(
            f"{_KEY}.teacher: got {teacher!r}; it has to be the path or name of an ImageNet "
            "checkpoint, a backbone config with init_cfg, or None"
        )
    if feature is None:
        feature = default_feature(student)
    if isinstance(teacher, dict):
        backbone = MODELS.build(dict(teacher))
        _same_architecture(student, backbone)
    else:
        backbone = copy.deepcopy(student)
    key = f"{_KEY}.teacher" if teacher is not None else "init_cfg.checkpoint of the backbone"
    if isinstance(teacher, str):
        backbone.init_cfg = dict(type="Pretrained", checkpoint=teacher)
    checkpoint = pretrained_checkpoint(backbone)
    if checkpoint is None:
        raise ValueError(
            f"{key}: {type(backbone).__name__} has no init_cfg=dict(type='Pretrained', "
            "checkpoint=...); a teacher needs its ImageNet weights"
        )
    # A LayerNorm on an output is segmentation's; ImageNet's own stands in its place there.
    new_norm = isinstance(feature, str) and isinstance(
        named_part(backbone, feature, f"{_KEY}.feature"), nn.LayerNorm
    )
    tensors = read_imagenet_file(checkpoint, key)
    loaded = _load(backbone, tensors, checkpoint, str(feature) if new_norm else None)
    head = None
    if with_classifier:
        head = _classifier(classifier, tensors, checkpoint, with_norm=new_norm)
    return ImageNetTeacher(backbone, head, feature, loaded)


def _classifier(
    cfg: dict | None, tensors: dict[str, Tensor], checkpoint: str, with_norm: bool
) -> nn.Module:
    if cfg is None:
        return build_classifier(tensors, checkpoint, with_norm)
    if not isinstance(cfg, dict):
        raise TypeError(
            f"{_KEY}.classifier: got {cfg!r}; it has to be dict(checkpoint=..., prefix=...) or "
            "dict(type=...)"
        )
    if "type" in cfg:
        module: nn.Module = MODELS.build(dict(cfg))
        module.requires_grad_(False)
        module.eval()
        return module
    unknown = [k for k in cfg if k not in ("checkpoint", "prefix")]
    if unknown:
        raise ValueError(
            f"{_KEY}.classifier: unknown key(s) {unknown}, allowed are 'checkpoint' and 'prefix' "
            "(or a 'type' with its arguments)"
        )
    if cfg.get("checkpoint"):
        checkpoint = cfg["checkpoint"]
        tensors = read_imagenet_file(checkpoint, f"{_KEY}.classifier.checkpoint")
    return build_classifier(tensors, checkpoint, with_norm, cfg.get("prefix"))


def _same_architecture(student: nn.Module, teacher: nn.Module) -> None:
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


def _load(
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
