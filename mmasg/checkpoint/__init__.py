"""Checkpoints: read without running code, written whole, plain inside."""

from . import pip_checkpoint, safe_checkpoint  # loaders, registered with mmengine
from .atomic_checkpoint import AtomicCheckpointHook
from .plain_checkpoint import PlainCheckpointHook

__all__ = ["AtomicCheckpointHook", "PlainCheckpointHook", "pip_checkpoint", "safe_checkpoint"]
