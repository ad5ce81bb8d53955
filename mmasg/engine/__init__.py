"""Layer groups, schedule, modes of training."""

from .eval_mode import EvalModeHook
from .group_presets import preset_groups, preset_names, preset_num_groups
from .layer_groups import LayerGroupOptimWrapperConstructor
from .memory_format import ChannelsLastHook
from .warmup_poly import WarmupPolyLR, warmup_poly_factor

__all__ = [
    "ChannelsLastHook",
    "EvalModeHook",
    "LayerGroupOptimWrapperConstructor",
    "WarmupPolyLR",
    "preset_groups",
    "preset_names",
    "preset_num_groups",
    "warmup_poly_factor",
]
