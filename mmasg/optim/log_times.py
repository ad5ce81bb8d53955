"""When a run's loggers write, so that rates stand beside the losses of the same iterations."""

from __future__ import annotations

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner


def logger_writes_now(runner: Runner, batch_idx: int) -> bool:
    """Whether a logger of the run writes after this iteration (0, 1, ... of its epoch)."""
    return any(
        isinstance(hook, LoggerHook) and hook.every_n_inner_iters(batch_idx, hook.interval)
        for hook in runner.hooks
    )
