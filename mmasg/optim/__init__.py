"""Layer groups and their presets, the optimizer-wrapper constructor, SGD forms, schedules."""

from .caffe_sgd import CaffeSGD
from .group_presets import preset_groups, preset_names
from .layer_groups import LayerGroupOptimWrapperConstructor
from .relative_step import RelativeStepHook
from .step_rates import StepRates
from .warmup_poly import WarmupPolyLR, warmup_poly_factor

__all__ = [
    "CaffeSGD",
    "LayerGroupOptimWrapperConstructor",
    "RelativeStepHook",
    "StepRates",
    "WarmupPolyLR",
    "preset_groups",
    "preset_names",
    "warmup_poly_factor",
]
