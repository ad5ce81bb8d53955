"""Backbones, heads and the classifier that MMSegmentation lacks."""

from . import pip_checkpoint
from .efficientnet_lite import EfficientNetLite0
from .fcn8s_head import FCN8sHead
from .vgg import VGG16

__all__ = [
    "EfficientNetLite0",
    "FCN8sHead",
    "VGG16",
    "pip_checkpoint",
]
