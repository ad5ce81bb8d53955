"""Checkpoints of plain tensors and numbers, which ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from .atomic_checkpoint import AtomicCheckpointHook
from .whole_state import is_sharded

_MARK = "__history_buffer__"


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Save the log's history in checkpoints as tensors instead of pickled objects.

    mmengine pickles its ``HistoryBuffer`` objects into every checkpoint, so the file loads with
    ``weights_only=False`` only, which runs whatever code a file brings; resuming fails on recent
    PyTorch with the original mmengine for the same reason. With this hook a checkpoint holds
    tensors, numbers and strings alone. mmengine without the hook still loads and resumes it; it
    starts the smoothing of logged values anew then, and says so.

    Raises:
        ValueError: When a training begins whose model torch's ``fully_shard`` has spread over
            processes and whose checkpoints :class:`~mmasg.checkpoint.AtomicCheckpointHook` does
            not write: they would hold one process's part.
    """

    # After every hook that adds to a checkpoint, before every one that reads it.
    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        """Refuse a sharded model whose checkpoints would hold the shard of one process."""
        if is_sharded(runner.model) and not any(
            isinstance(hook, AtomicCheckpointHook) for hook in runner.hooks
        ):
            raise ValueError(
                "default_hooks.checkpoint: got a hook that writes what process 0 has of a sharded "
                "model; allowed: AtomicCheckpointHook, which gathers it. Set "
                "default_hooks.checkpoint.type='AtomicCheckpointHook'."
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Replace histories and NumPy numbers."""
        hub = checkpoint.get("message_hub")
        if not isinstance(hub, dict):
            return
        hub["log_scalars"] = {k: _to_plain(v) for k, v in hub["log_scalars"].items()}
        hub["runtime_info"] = {k: _number(v) for k, v in hub["runtime_info"].items()}
        hub["resumed_keys"] = dict(hub["resumed_keys"])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the histories back."""
        hub = checkpoint.get("message_hub")
        if isinstance(hub, dict):
            hub["log_scalars"] = {k: _from_plain(v) for k, v in hub["log_scalars"].items()}


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _to_plain(buffer: Any) -> Any:
    if not isinstance(buffer, HistoryBuffer):
        return _number(buffer)
    log, count = (torch.from_numpy(np.asarray(a, dtype=np.float64)) for a in buffer.data)
    return {_MARK: True, "log": log, "count": count, "max_length": buffer.max_length}


def _from_plain(value: Any) -> Any:
    if not (isinstance(value, dict) and _MARK in value):
        return value
    log, count = value["log"].tolist(), [int(n) for n in value["count"].tolist()]
    return HistoryBuffer(log, count, value["max_length"])
