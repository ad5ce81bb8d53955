"""Metrics."""

from .calibration_error import CalibrationErrorMetric
from .cityscapes_scripts import CityscapesScriptsMetric
from .class_iou import ClassIoUMetric
from .multi_target_iou import MultiTargetIoUMetric
from .per_class_accuracy import PerClassAccuracy

__all__ = [
    "CalibrationErrorMetric",
    "CityscapesScriptsMetric",
    "ClassIoUMetric",
    "MultiTargetIoUMetric",
    "PerClassAccuracy",
]
