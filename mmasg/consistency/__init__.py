"""Proxy guidance: losses that keep a student close to its ImageNet teacher."""

from mmengine.registry import MODELS

from .console_line import ProgressLogProcessor
from .contrastive import ContrastiveAgreement
from .eval_mode import EvalModeHook
from .hook import ImageNetConsistencyHook
from .kl_watch_hook import KLWatchHook
from .losses import FeatureCosineLoss, FeatureL2Loss, ImageNetKLLoss, WeightL2Loss
from .teacher import ImageNetTeacher, build_teacher

# Registered here, so that the losses' files stay pure torch.
for _loss in (ImageNetKLLoss, FeatureL2Loss, FeatureCosineLoss, WeightL2Loss, ContrastiveAgreement):
    MODELS.register_module(module=_loss)

__all__ = [
    "ContrastiveAgreement",
    "EvalModeHook",
    "FeatureCosineLoss",
    "FeatureL2Loss",
    "ImageNetConsistencyHook",
    "ImageNetKLLoss",
    "ImageNetTeacher",
    "KLWatchHook",
    "ProgressLogProcessor",
    "WeightL2Loss",
    "build_teacher",
]
