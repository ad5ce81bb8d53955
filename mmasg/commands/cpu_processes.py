"""Several processes on a machine without an accelerator."""

from __future__ import annotations

import datetime

import torch.distributed


def join_on_cpu(launcher: str, timeout: float | None = None) -> None:
    """Join the other processes through gloo.

    mmengine's own way selects a CUDA device first, whatever the backend, which a machine without
    one refuses. Where the processes have been joined before, mmengine leaves it at that.

    Args:
        launcher: ``'pytorch'`` (torchrun, ``tools/dist_train.sh``).
        timeout: Seconds after which a process that waits for others gives up. Defaults to None,
            torch's own.

    Raises:
        ValueError: If the launcher is another one.
    """
    if torch.distributed.is_initialized():
        return
    if launcher != "pytorch":
        raise ValueError(
            f"--launcher: {launcher!r} needs GPUs, and PyTorch {torch.__version__} found none. On "
            "CPUs start the processes with tools/dist_train.sh (--launcher pytorch)."
        )
    limit = None if timeout is None else datetime.timedelta(seconds=timeout)
    torch.distributed.init_process_group("gloo", timeout=limit)
