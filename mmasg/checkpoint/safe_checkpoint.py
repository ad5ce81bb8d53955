"""Loading checkpoint files without running the code that they may bring.

A checkpoint is a pickle, and a pickle can run any code while it is loaded. ``torch.load`` with
``weights_only=True`` refuses that, but mmengine does not insist on it: the original (0.10.7) leaves
it to torch's default, onedl-mmengine falls back to unsafe loading with only a warning. Importing
this module puts a loader of its own in mmengine's place for local files: everything that mmengine
loads (``load_from``, ``--resume``, ``init_cfg``) then goes through :func:`load_checkpoint`.

With ``MMASG_TRUST_CHECKPOINTS=1`` in the environment, files with pickled objects are loaded all the
same, for files that you have made yourself.
"""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from mmasg.errors import first_of

TRUST = "MMASG_TRUST_CHECKPOINTS"


def _harmless() -> list[Any]:
    """What mmengine's own checkpoints hold beside tensors: the log's history."""
    core = np._core if hasattr(np, "_core") else np.core
    dtypes = {type(np.dtype(t)) for t in (np.float64, np.float32, np.int64, np.uint32, np.int32)}
    return [
        HistoryBuffer,
        core.multiarray._reconstruct,
        core.multiarray.scalar,
        np.ndarray,
        np.dtype,
        getattr,  # how methods of HistoryBuffer are pickled; it cannot call what it gets
        *dtypes,
    ]


def load_checkpoint(filename: str | Path, map_location: Any = None, key: str = "") -> Any:
    """Load a local checkpoint file, tensors and plain values only.

    Args:
        filename: The file.
        map_location: As of ``torch.load``.
        key: Config key to name in errors.

    Returns:
        What the file holds.

    Raises:
        FileNotFoundError: If there is no such file; names similar ones.
        ValueError: If it is truncated or no checkpoint at all, or holds pickled code.
    """
    path = Path(os.path.expanduser(filename))
    prefix = f"{key}: " if key else ""
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
        there = f"{path.parent} has {first_of(near)}" if near else f"{path.parent} has none"
        raise FileNotFoundError(
            f"{prefix}there is no checkpoint {path}; {there}. Check the path, or download the file."
        )
    trusted = os.environ.get(TRUST) == "1"
    try:
        if trusted:
            return torch.load(path, map_location=map_location, weights_only=False)
        with torch.serialization.safe_globals(_harmless()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found is None:  # no pickle at all, or one that torch never writes
            raise ValueError(_no_checkpoint(prefix, path)) from error
        raise ValueError(
            f"{prefix}{path} holds pickled code ({found[1]}) and "
            "was not loaded, as loading would run it. Ask its author for a file of tensors "
            "(torch.save(model.state_dict(), ...)). Only if you have made the file yourself: "
            f"set the environment variable {TRUST}=1."
        ) from error
    except Exception as error:
        # torch raises RuntimeError, EOFError, KeyError, UnicodeDecodeError, ... for a broken file.
        raise ValueError(_no_checkpoint(prefix, path)) from error


def _no_checkpoint(prefix: str, path: Path) -> str:
    return (
        f"{prefix}{path} ({path.stat().st_size} bytes) is truncated or no PyTorch checkpoint. "
        "Download or copy it again; of a run that was killed while it saved, take the checkpoint "
        "before (--resume finds it)."
    )


@CheckpointLoader.register_scheme(prefixes="", force=True)
def _load_from_local(filename: str, map_location: Any = None) -> Any:
    """Take the place of mmengine's loader of local files."""
    return load_checkpoint(filename, map_location)
