"""Proxy guidance: losses that keep a student close to its ImageNet teacher."""

from mmengine.registry import MODELS

from .eval_mode import EvalModeHook
from .hook import ImageNetConsistencyHook
from .losses import FeatureCosineLoss, FeatureL2Loss, ImageNetKLLoss, WeightL2Loss
from .teacher import ImageNetTeacher, build_teacher

# Registered here, so that losses.py stays pure torch.
for _loss in (ImageNetKLLoss, FeatureL2Loss, FeatureCosineLoss, WeightL2Loss):
    MODELS.register_module(module=_loss)

__all__ = [
    "EvalModeHook",
    "FeatureCosineLoss",
    "FeatureL2Loss",
    "ImageNetConsistencyHook",
    "ImageNetKLLoss",
    "ImageNetTeacher",
    "WeightL2Loss",
    "build_teacher",
]
