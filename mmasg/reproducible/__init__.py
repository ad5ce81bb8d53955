"""Randomness keyed by (seed, sample); samplers and loops that resume exactly."""

from .keyed_dataset import KeyedRandomnessDataset
from .keyed_hook import KeyedRandomnessHook
from .keyed_index import KeyedIndex, keyed_randomness
from .keyed_samplers import KeyedDefaultSampler, KeyedInfiniteSampler
from .ratio_sampler import KeyedRatioSampler
from .resumable_epoch_loop import ResumableEpochBasedTrainLoop

__all__ = [
    "KeyedDefaultSampler",
    "KeyedIndex",
    "KeyedInfiniteSampler",
    "KeyedRandomnessDataset",
    "KeyedRandomnessHook",
    "KeyedRatioSampler",
    "ResumableEpochBasedTrainLoop",
    "keyed_randomness",
]
