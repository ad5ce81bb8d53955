"""Randomness keyed by (seed, sample); samplers and loops that resume exactly."""

from .resumable_epoch_loop import ResumableEpochBasedTrainLoop
from .sample_seeding import (
    KeyedDefaultSampler,
    KeyedInfiniteSampler,
    KeyedRandomnessDataset,
    KeyedRandomnessHook,
)

__all__ = [
    "KeyedDefaultSampler",
    "KeyedInfiniteSampler",
    "KeyedRandomnessDataset",
    "KeyedRandomnessHook",
    "ResumableEpochBasedTrainLoop",
]
