"""Layer groups, optimizer, schedule, modes of training, exact resume."""

from . import safe_checkpoint  # puts the safe loader of local files in mmengine's place
from .atomic_checkpoint import AtomicCheckpointHook
from .caffe_sgd import CaffeSGD
from .eval_mode import EvalModeHook
from .group_presets import preset_groups, preset_names, preset_num_groups
from .layer_groups import LayerGroupOptimWrapperConstructor
from .memory_format import ChannelsLastHook
from .non_finite import NonFiniteLossHook
from .plain_checkpoint import PlainCheckpointHook
from .resumable_epoch_loop import ResumableEpochBasedTrainLoop
from .sample_seeding import (
    KeyedDefaultSampler,
    KeyedInfiniteSampler,
    KeyedRandomnessDataset,
    KeyedRandomnessHook,
)
from .warmup_poly import WarmupPolyLR, warmup_poly_factor

__all__ = [
    "AtomicCheckpointHook",
    "CaffeSGD",
    "ChannelsLastHook",
    "EvalModeHook",
    "KeyedDefaultSampler",
    "KeyedInfiniteSampler",
    "KeyedRandomnessDataset",
    "KeyedRandomnessHook",
    "LayerGroupOptimWrapperConstructor",
    "NonFiniteLossHook",
    "PlainCheckpointHook",
    "ResumableEpochBasedTrainLoop",
    "WarmupPolyLR",
    "preset_groups",
    "preset_names",
    "safe_checkpoint",
    "preset_num_groups",
    "warmup_poly_factor",
]
