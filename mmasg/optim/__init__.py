"""Layer groups and their presets, the constructor, SGD forms, other optimizers, schedules."""

from .caffe_sgd import CaffeSGD
from .group_presets import preset_groups, preset_names
from .layer_groups import LayerGroupOptimWrapperConstructor
from .package_optimizers import PACKAGE_OPTIMIZERS, build_package_optimizer
from .relative_step import RelativeStepHook
from .schedule_free_hook import ScheduleFreeHook
from .step_rates import StepRates
from .warmup_poly import WarmupPolyLR, warmup_poly_factor

__all__ = [
    "PACKAGE_OPTIMIZERS",
    "CaffeSGD",
    "LayerGroupOptimWrapperConstructor",
    "RelativeStepHook",
    "ScheduleFreeHook",
    "StepRates",
    "WarmupPolyLR",
    "build_package_optimizer",
    "preset_groups",
    "preset_names",
    "warmup_poly_factor",
]
