"""Backbones, heads and the classifier that MMSegmentation lacks."""

from .calibration_loss import DCALoss
from .classifier import SameSizeDataPreprocessor, SynRealClassifier
from .classifier_head import MLPClassifierHead
from .classifier_tta import SigmoidMeanTTAModel
from .efficientnet_lite import (
    EfficientNetLite0,
    EfficientNetLite1,
    EfficientNetLite2,
    EfficientNetLite3,
    EfficientNetLite4,
)
from .fcn8s_head import FCN8sHead
from .foundation_vit import FoundationViT
from .ibn_resnet import IBNResNet, InstanceBatchNorm
from .memory_format import ChannelsLastHook
from .vgg import VGG16

__all__ = [
    "ChannelsLastHook",
    "DCALoss",
    "EfficientNetLite0",
    "EfficientNetLite1",
    "EfficientNetLite2",
    "EfficientNetLite3",
    "EfficientNetLite4",
    "FCN8sHead",
    "FoundationViT",
    "IBNResNet",
    "InstanceBatchNorm",
    "MLPClassifierHead",
    "SameSizeDataPreprocessor",
    "SigmoidMeanTTAModel",
    "SynRealClassifier",
    "VGG16",
]
