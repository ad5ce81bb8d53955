"""Checkpoints: read without running code, written whole, plain inside."""

from . import mmengine_loaders  # registered with mmengine's CheckpointLoader
from .atomic_checkpoint import AtomicCheckpointHook
from .checkpoint_fit import CheckpointFitHook
from .plain_checkpoint import PlainCheckpointHook

__all__ = ["AtomicCheckpointHook", "CheckpointFitHook", "PlainCheckpointHook", "mmengine_loaders"]
