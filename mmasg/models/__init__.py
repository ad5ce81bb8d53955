"""Backbones, heads and the classifier that MMSegmentation lacks."""

from . import pip_checkpoint
from .classifier import SameSizeDataPreprocessor, SynRealClassifier
from .classifier_head import MLPClassifierHead
from .classifier_tta import SigmoidMeanTTAModel
from .efficientnet_lite import EfficientNetLite0
from .fcn8s_head import FCN8sHead
from .vgg import VGG16

__all__ = [
    "EfficientNetLite0",
    "FCN8sHead",
    "MLPClassifierHead",
    "SameSizeDataPreprocessor",
    "SigmoidMeanTTAModel",
    "SynRealClassifier",
    "VGG16",
    "pip_checkpoint",
]
