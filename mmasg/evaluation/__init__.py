"""Metrics."""

from .cityscapes_scripts import CityscapesScriptsMetric
from .class_iou import ClassIoUMetric
from .multi_target_iou import MultiTargetIoUMetric

__all__ = [
    "CityscapesScriptsMetric",
    "ClassIoUMetric",
    "MultiTargetIoUMetric",
]
