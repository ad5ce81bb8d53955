"""What can be known to fail before a training is built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.errors import wrong

from .config_check import check_config


def check_run(config: Mapping[str, Any]) -> None:
    """Check a config against the machine, before the runner is built.

    Names in the config (:func:`mmasg.guard.config_check.check_config`), the folder of the run,
    the checkpoint it starts from, and whether there is the device that it asks for.

    Args:
        config: The config as for mmengine's ``Runner.from_cfg``.

    Raises:
        ValueError: Naming the config key and the remedy.
        FileNotFoundError: If a checkpoint is not there.
        OSError: If the work dir cannot be written.
    """
    check_config(config)
    if config.get("rebuild_schedule") and not config.get("resume"):
        remedy = "Add --resume, or leave --rebuild-schedule out: a new training builds its own."
        raise ValueError(wrong("rebuild_schedule", True, "with resume=True only", remedy))
    check_work_dir(config.get("work_dir"))
    check_device(config)
    load_from = config.get("load_from")
    if isinstance(load_from, str) and "://" not in load_from:
        load_checkpoint(load_from, map_location="meta", key="load_from")


def check_work_dir(work_dir: Any) -> None:
    """Check that the folder of a run can be made and written.

    Args:
        work_dir: The folder.

    Raises:
        TypeError: If it is no path.
        OSError: If it cannot be written.
    """
    if not isinstance(work_dir, (str, Path)):
        raise TypeError(
            f"work_dir: got {work_dir!r}; it has to be the path of a folder. Set it in the config "
            "or by --work-dir."
        )
    probe = Path(work_dir) / f".mmasg_can_write_{os.getpid()}"
    try:
        write_atomically(b"", probe)
        probe.unlink(missing_ok=True)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise type(error)(
            error.errno,
            f"work_dir: {work_dir} cannot be written ({cause.strerror}). Choose another folder by "
            "--work-dir, or change its permissions.",
        ) from None


def check_device(config: Mapping[str, Any]) -> None:
    """Check that the device is there which parts of a config need.

    Args:
        config: The config.

    Raises:
        ValueError: If mixed precision, SyncBN or NCCL is asked for on a CPU.
    """
    if is_cuda_available() or is_npu_available() or is_musa_available():
        return
    none = f"PyTorch {torch.__version__} found no GPU"
    if (config.get("optim_wrapper") or {}).get("type") == "AmpOptimWrapper":
        remedy = "Leave out --amp, or install a GPU build of torch."
        allowed = f"'OptimWrapper' on a CPU ({none})"
        raise ValueError(wrong("optim_wrapper.type", "AmpOptimWrapper", allowed, remedy))
    if config.get("launcher", "none") == "none":
        return  # of one process: mmengine turns SyncBN into BN, and needs no backend
    path = _find(config.get("model") or {}, "model")
    if path:
        allowed = f"'BN' for several processes on CPUs ({none})"
        raise ValueError(wrong(path, "SyncBN", allowed, f"Set {path}='BN'."))
    backend = ((config.get("env_cfg") or {}).get("dist_cfg") or {}).get("backend")
    if backend == "nccl":
        remedy = "Set env_cfg.dist_cfg.backend='gloo'."
        raise ValueError(wrong("env_cfg.dist_cfg.backend", "nccl", f"'gloo' ({none})", remedy))


def _find(item: Any, path: str) -> str | None:
    """Where a config says ``type='SyncBN'``."""
    if isinstance(item, Mapping):
        if item.get("type") == "SyncBN":
            return f"{path}.type"
        found = (_find(value, f"{path}.{key}") for key, value in item.items())
        return next(filter(None, found), None)
    if isinstance(item, (list, tuple)):
        found = (_find(value, f"{path}[{i}]") for i, value in enumerate(item))
        return next(filter(None, found), None)
    return None
