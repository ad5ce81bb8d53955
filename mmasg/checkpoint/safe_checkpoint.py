"""Loading checkpoint files without running the code that they may bring.

A checkpoint is a pickle, and a pickle can run any code while it is loaded. ``torch.load`` with
``weights_only=True`` refuses that; what is allowed beside tensors is said in
:mod:`~mmasg.checkpoint.pickled_names`. Everything in this project that reads such a file reads it
by :func:`load_checkpoint`, and so does mmengine
(:mod:`~mmasg.checkpoint.mmengine_loaders`).
"""

from __future__ import annotations

import os
import pickle
import re
import tarfile
import warnings
from pathlib import Path
from typing import Any

import torch

from mmasg.errors import first_of

from .pickled_names import NotPlainError, only_plain_names, plain


def load_checkpoint(filename: str | Path, map_location: Any = None, key: str = "") -> Any:
    """Load a local checkpoint file, tensors and plain values only.

    Plain values are Python's, NumPy's scalars and arrays of plain dtypes as either major version
    writes them, and mmengine's log histories. mmengine runs a config that it finds as
    ``meta['config']`` when it resumes; here that text comes as ``meta['cfg']``, where mmengine
    itself keeps it today and runs nothing.

    Args:
        filename: The file.
        map_location: As of ``torch.load``.
        key: Config key to name in errors.

    Returns:
        What the file holds.

    Raises:
        FileNotFoundError: If there is no such file; names similar ones.
        ValueError: If it is truncated or no checkpoint at all, or holds pickled code or objects.
    """
    path = Path(os.path.expanduser(filename))
    prefix = f"{key}: " if key else ""
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
        there = f"{path.parent} has {first_of(near)}" if near else f"{path.parent} has none"
        raise FileNotFoundError(
            f"{prefix}there is no checkpoint {path}; {there}. Check the path, or download the file."
        )
    try:
        with open(path, "rb") as file:
            magic = file.read(2)
        if not magic.startswith(b"PK") and tarfile.is_tarfile(path):
            raise NotPlainError("the tar archive of PyTorch before 0.1.10, whose reading is unsafe")
        with warnings.catch_warnings(), only_plain_names():
            warnings.simplefilter("ignore")  # of pickle protocols; such a file is refused anyway
            content = plain(torch.load(path, map_location=map_location, weights_only=True))
    except (pickle.UnpicklingError, NotPlainError) as error:
        what = _what(error, magic)
        if what is None:
            raise ValueError(_no_checkpoint(prefix, path)) from error
        raise ValueError(
            f"{prefix}{path} holds {what} and was not loaded, as loading could run code. Ask its "
            "author for a file of tensors (torch.save(model.state_dict(), ...)), or, only if you "
            "have made the file yourself, write one: torch.load(..., weights_only=False) and "
            "torch.save of its state dict."
        ) from error
    except Exception as error:
        # torch raises RuntimeError, EOFError, KeyError, UnicodeDecodeError, ... for a broken file.
        raise ValueError(_no_checkpoint(prefix, path)) from error
    return _config_not_run(content)


def _what(error: Exception, magic: bytes) -> str | None:
    """What a file holds that is not plain; None where it is no file of torch's at all."""
    if isinstance(error, NotPlainError):
        return str(error)
    found = re.search(r"GLOBAL ([\w.<>]+)", str(error))
    if found is None:
        found = re.search(r"call reduce for unrecognized function (.*)", str(error))
    if found is not None:
        sharded = "torch.distributed" in found[1] or "DTensor" in found[1]
        shard = "the shard of a single process, not a whole model "
        return f"{shard if sharded else 'pickled code '}({found[1]})"
    if "torch.distributed.tensor" in str(error):
        return "the shard of a single process, not a whole model (DTensor)"
    if magic in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return "pickled objects in a form that torch.save does not write"
    return None


def _no_checkpoint(prefix: str, path: Path) -> str:
    return (
        f"{prefix}{path} ({path.stat().st_size} bytes) is truncated or no PyTorch checkpoint. "
        "Download or copy it again; of a run that was killed while it saved, take the checkpoint "
        "before (--resume finds it)."
    )


def _config_not_run(content: Any) -> Any:
    meta = content.get("meta") if isinstance(content, dict) else None
    if isinstance(meta, dict) and "config" in meta:
        meta.setdefault("cfg", meta.pop("config"))
    return content
