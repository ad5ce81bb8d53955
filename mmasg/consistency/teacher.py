"""The frozen ImageNet teacher: a copy of the student's backbone with its ImageNet weights."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmasg.checkpoint.imagenet_file import read_imagenet_file

from .classifier_file import build_classifier, check_all_used
from .eval_mode import get_student, parts_with_checkpoint, pretrained_entry
from .fold_batch_norm import fold_batch_norms
from .imagenet_networks import NetworkEnd, network_end
from .taps import FeatureTap
from .teacher_weights import check_same_architecture, load_every_tensor, own_names

_KEY = "ImageNetConsistencyHook"


@dataclass
class Prediction:
    """What a teacher gives for a batch: ``features``, ``logits`` with a classifier, ``stages``."""

    features: Tensor
    logits: Tensor | None
    stages: dict[int | str, Tensor]


class ImageNetTeacher(nn.Module):
    """Frozen backbone ``f_t`` and frozen classifier ``g`` (ASG, section 3.1).

    It lives beside the model that trains, never inside it: it enters no checkpoint, no
    optimizer, no average of weights and no ``model.train()``.

    Args:
        backbone: With ImageNet weights; frozen and set to eval mode here.
        classifier: Maps features to ImageNet logits, or None where the loss needs none.
        feature: Which feature the classifier takes, see :class:`FeatureTap`.
        loaded: Names of the backbone's tensors that the ImageNet file filled.
        compile_options: Arguments of ``torch.compile`` for the backbone, None: not compiled.
        stages: Further features that a loss compares, named as ``feature`` is. Defaults to none.

    Raises:
        ValueError: The backbone has no such feature.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classifier: nn.Module | None,
        feature: int | str,
        loaded: set,
        compile_options: dict | None = None,
        stages: Sequence[int | str] = (),
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
        self._stage_taps = {s: FeatureTap(backbone, s, f"{_KEY}.loss.stages") for s in stages}
        self._ready = False
        self._compile_options = compile_options

    def train(self, mode: bool = True) -> ImageNetTeacher:
        """Stay in eval mode, whatever is asked."""
        return self

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Prediction:
        """Return features and logits of preprocessed images (N, 3, H, W)."""
        if not self._ready:
            self._get_ready(inputs)
        features, *stages = self._run(inputs)
        named = dict(zip(self._stage_taps, stages, strict=True))
        return Prediction(features, self.classify(features), named)

    @torch.no_grad()
    def stages(self, inputs: Tensor) -> dict[int | str, Tensor]:
        """Return the features of the stages alone, by their names; nothing is made ready."""
        return dict(zip(self._stage_taps, self._run(inputs)[1:], strict=True))

    def _run(self, inputs: Tensor) -> list[Tensor]:
        """Return the classifier's feature and those of the stages."""
        taps = [self._tap, *self._stage_taps.values()]
        for tap in taps:
            tap.enabled = True
        try:
            self.backbone(inputs)
            return [tap.features[-1] for tap in taps]
        finally:
            for tap in taps:
                tap.clear()
                tap.enabled = False

    @torch.compiler.disable
    def _get_ready(self, inputs: Tensor) -> None:
        # With the first images and not when it is built: which layers follow each other is seen
        # in a run, and what images the network takes is known only now.
        self._ready = True
        with torch.autocast(inputs.device.type, enabled=False):
            listened = [str(feature) for feature in (self.feature, *self._stage_taps)]
            fold_batch_norms(self.backbone, lambda: self._run(inputs[:1].float())[0], listened)
        if inputs.device.type == "cpu":
            # Whatever the student's layout: folded convolutions are fastest in this one.
            self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self._compile_options is None:
            return
        try:
            self.backbone.compile(**self._compile_options)
            self._run(inputs)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
            raise RuntimeError(
                f"{_KEY}.compile_teacher: torch.compile cannot compile "
                f"{type(self.backbone).__name__} here ({reason}). Remove compile_teacher; the "
                "teacher then runs as it is. (On a CPU torch.compile needs a C++ compiler.)"
            ) from error

    def classify(self, features: Tensor) -> Tensor | None:
        """Return the ImageNet logits of features, in float32; gradients pass through.

        Raises:
            ValueError: The classifier takes another number of channels.
        """
        if self.classifier is None:
            return None
        channels = features.shape[-1 if features.ndim == 3 else 1]
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


def check_compile(options: bool | dict) -> dict | None:
    """Return the arguments of ``torch.compile``, None where nothing is compiled.

    Raises:
        ValueError: Neither a bool nor a dict of that function's arguments.
    """
    if isinstance(options, bool):
        return {} if options else None
    allowed = [name for name in inspect.signature(torch.compile).parameters if name != "model"]
    unknown = [k for k in options if k not in allowed] if isinstance(options, dict) else [options]
    if unknown:
        raise ValueError(
            f"{_KEY}.compile_teacher: got {options!r}; allowed are True, False, or a dict of "
            f"torch.compile's arguments: {', '.join(allowed)}"
        )
    return dict(options)


def find_student(model: nn.Module, name: str, teacher_given: bool) -> str:
    """Return the dotted name of the module that starts from an ImageNet checkpoint.

    ``name`` itself, or, where that has no checkpoint and one module inside it has (BiSeNet,
    STDC), that one.

    Raises:
        ValueError: The model has no module ``name``, or nothing in it names a checkpoint.
    """
    module = get_student(model, name, f"{_KEY}.student_module")
    if teacher_given or pretrained_entry(module):
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


def build_teacher(
    student: nn.Module,
    teacher: str | dict | None = None,
    classifier: dict | None = None,
    feature: int | str | None = None,
    with_classifier: bool = True,
    compile_options: dict | None = None,
    stages: Sequence[int | str] = (),
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
        feature: See :class:`FeatureTap`; None: what the backbone's ImageNet network takes, see
            :func:`mmasg.consistency.imagenet_networks.network_end`.
        with_classifier: Whether the loss needs one.
        compile_options: Arguments of ``torch.compile`` for the backbone; None: not compiled.
        stages: Further features that a loss compares, see :class:`ImageNetTeacher`.

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
    end = network_end(student, feature, f"{_KEY}.feature")
    if isinstance(teacher, dict):
        backbone = MODELS.build(dict(teacher))
        check_same_architecture(student, backbone)
    else:
        backbone = copy.deepcopy(student)
    key = f"{_KEY}.teacher" if teacher is not None else "init_cfg.checkpoint of the backbone"
    if isinstance(teacher, str):
        backbone.init_cfg = dict(type="Pretrained", checkpoint=teacher)
    cfg = pretrained_entry(backbone)
    if cfg is None:
        raise ValueError(
            f"{key}: {type(backbone).__name__} has no init_cfg=dict(type='Pretrained', "
            "checkpoint=...); a teacher needs its ImageNet weights"
        )
    checkpoint = cfg["checkpoint"]
    prefix = f"{cfg['prefix'].rstrip('.')}." if cfg.get("prefix") else ""
    tensors = {
        name.removeprefix(prefix): value
        for name, value in read_imagenet_file(checkpoint, key).items()
    }
    loaded = load_every_tensor(backbone, tensors, checkpoint, end.new_norms, end.zeros)
    head = None
    if with_classifier:
        head = _classifier(classifier, tensors, checkpoint, backbone, end)
    return ImageNetTeacher(backbone, head, end.feature, loaded, compile_options, stages)


def _classifier(
    cfg: dict | None,
    tensors: dict[str, Tensor],
    checkpoint: str,
    backbone: nn.Module,
    end: NetworkEnd,
) -> nn.Module:
    if cfg is not None and not isinstance(cfg, dict):
        raise TypeError(
            f"{_KEY}.classifier: got {cfg!r}; it has to be dict(checkpoint=..., prefix=...) or "
            "dict(type=...)"
        )
    if cfg is not None and "type" in cfg:
        module: nn.Module = MODELS.build(dict(cfg))
        module.requires_grad_(False)
        module.eval()
        return module
    if end.refusal is not None:
        raise ValueError(
            f"{_KEY}: the ImageNet prediction of {type(backbone).__name__} is not known: "
            f"{end.refusal}. Use a loss that needs no classifier, loss=dict(type='FeatureL2Loss') "
            "or loss=dict(type='FeatureCosineLoss'); or bring the rest of the ImageNet network as "
            "a module of your own, classifier=dict(type=...)"
        )
    if cfg is None:
        head, taken = build_classifier(tensors, checkpoint, end)
        check_all_used(own_names(backbone, tensors), backbone, taken, checkpoint)
        return head
    unknown = [k for k in cfg if k not in ("checkpoint", "prefix")]
    if unknown:
        raise ValueError(
            f"{_KEY}.classifier: unknown key(s) {unknown}, allowed are 'checkpoint' and 'prefix' "
            "(or a 'type' with its arguments)"
        )
    if cfg.get("checkpoint"):
        checkpoint = cfg["checkpoint"]
        tensors = read_imagenet_file(checkpoint, f"{_KEY}.classifier.checkpoint")
    return build_classifier(tensors, checkpoint, end, cfg.get("prefix"))[0]
