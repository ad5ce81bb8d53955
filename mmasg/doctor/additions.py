"""The three additions to a config that has none of ours: whether they can be made, and how."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mmengine.config import Config, ConfigDict

from mmasg.optim.layer_group import DECAY_KEYS

CONSTRUCTOR = "LayerGroupOptimWrapperConstructor"
HOOK = "ImageNetConsistencyHook"
#: Backbone's class -> preset of its layer groups. Others get two groups.
_PRESETS = {
    "ResNet": "resnet",
    "ResNeXt": "resnet",
    "ResNetV1c": "resnet_v1c",
    "ResNetV1d": "resnet_v1c",
    "ResNeSt": "resnet_v1c",
    "SwinTransformer": "swin",
    "MixVisionTransformer": "mit",
    "STDCNet": "stdc",
    "VGG16": "vgg16",
    "EfficientNetLite0": "efficientnet_lite0",
}
_WITHOUT_CLASSIFIER = (
    "pretrain/segformer/mit_",
    "pretrain/swin/swin_",
    "pretrain/mae_pretrain",
    "mmcls://",
)


def hooks_of(cfg: Mapping[str, Any], kind: str) -> list[Any]:
    """Return the custom hooks of a kind, as the config writes them."""
    hooks = cfg.get("custom_hooks") or []
    return [h for h in hooks if str(h.get("type")).rsplit(".", 1)[-1] == kind]


def lacks_classifier(checkpoint: str) -> bool:
    """Whether a file is known to hold a backbone alone: MMSegmentation's MiT, Swin and MAE."""
    return any(part in checkpoint for part in _WITHOUT_CLASSIFIER)


def paramwise(backbone: Mapping[str, Any], student: str, inherited: Mapping[str, Any]) -> dict:
    """Return the ``paramwise_cfg`` that gives the backbone a tenth of the head's rate.

    Args:
        backbone: Config of the part that starts from ImageNet.
        student: Its dotted name in the model.
        inherited: The config's own ``paramwise_cfg``; its weight-decay rules are kept.
    """
    kind = str(backbone.get("type")).rsplit(".", 1)[-1]
    if kind in _PRESETS:
        groups: dict[str, Any] = dict(preset=_PRESETS[kind])
        if student != "backbone":
            groups["prefix"] = student
        groups["lr_mult"] = 0.1
    else:
        body = dict(name="body", patterns=[f"{student}.*"], lr_mult=0.1)
        groups = dict(groups=[body, dict(name="head", rest=True)])
    for key in DECAY_KEYS:
        value = inherited.get(key)
        if key == "custom_keys":
            value = {
                name: {k: v for k, v in rule.items() if k != "lr_mult"}
                for name, rule in (value or {}).items()
            }
            value = {name: rule for name, rule in value.items() if rule} or None
        if value is not None:
            groups[key] = value
    return groups


def with_additions(cfg: Config, backbone: Mapping[str, Any], student: str) -> Config:
    """Return the config with the additions that it lacks; the config itself is left alone."""
    cfg = copy.deepcopy(cfg)
    if not hooks_of(cfg, HOOK):
        hook = ConfigDict(type=HOOK, loss_weight=1.0)
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]
    wrapper: Any = cfg.get("optim_wrapper") or {}
    if wrapper.get("constructor") != CONSTRUCTOR and "optimizer" in wrapper:
        groups = paramwise(backbone, student, wrapper.get("paramwise_cfg") or {})
        wrapper.constructor = CONSTRUCTOR
        wrapper.paramwise_cfg = ConfigDict(groups)
    return cfg


def as_block(base: str, cfg: Config) -> str:
    """Return the additions as a config to be pasted into a file beside ``base``."""
    name = PurePath(base).name
    groups = cfg.optim_wrapper.paramwise_cfg.to_dict()
    rules = ", ".join(f"{key}={value!r}" for key, value in groups.items())
    return f"""# {PurePath(base).stem}_asg.py, beside {name}
_base_ = "./{name}"
custom_imports = dict(imports=["mmasg"], allow_failed_imports=False)
custom_hooks = [
    *_base_.get("custom_hooks", []),
    dict(type="{HOOK}", loss_weight=1.0),
]
optim_wrapper = dict(
    constructor="{CONSTRUCTOR}",
    paramwise_cfg=dict(_delete_=True, {rules}),
)"""
