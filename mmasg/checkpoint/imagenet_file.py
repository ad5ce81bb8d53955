"""Read an ImageNet checkpoint whole: the backbone's tensors and the classifier's."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

_WRAPPERS = ("state_dict", "model", "model_state")


def read_imagenet_file(checkpoint: str, key: str) -> dict[str, Tensor]:
    """Return the flat state dict of an ImageNet checkpoint.

    Paths, addresses and the schemes that mmengine knows (``torchvision://``, ``pip://``, ...) are
    all read by :func:`~mmasg.checkpoint.safe_checkpoint.load_checkpoint`.

    Args:
        checkpoint: Path, address, or name with a scheme.
        key: Config key to name in errors.

    Raises:
        FileNotFoundError: The path does not exist, or the address does not answer.
        ValueError: The file holds pickled code, is damaged, or is no state dict.
    """
    if "://" not in checkpoint and not os.path.isfile(checkpoint):
        raise FileNotFoundError(
            f"{key}: no file {checkpoint!r} (looked in {os.path.abspath(checkpoint)!r}). Give "
            "an existing path, or a name such as 'torchvision://resnet101'"
        )
    try:
        loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    except OSError as error:  # URLError is one: no network, no such host
        raise FileNotFoundError(
            f"{key}: {checkpoint!r} could not be fetched ({error}). Download the file on a "
            "machine with internet access and give its path instead"
        ) from error
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    return flatten(loaded, checkpoint, key)


def flatten(loaded: Any, checkpoint: str, key: str) -> dict[str, Tensor]:
    """Return the tensors by name of what a checkpoint holds.

    Args:
        loaded: A state dict, or a dict with one under ``state_dict``, ``model`` or
            ``model_state``; names that all begin with ``module.`` lose it.
        checkpoint: Where it comes from, for errors.
        key: Config key to name in errors.

    Raises:
        ValueError: There are no tensors by name.
    """
    for wrapper in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    named = loaded.items() if isinstance(loaded, dict) else ()
    tensors = OrderedDict((k, v) for k, v in named if isinstance(k, str) and torch.is_tensor(v))
    if not tensors:
        raise ValueError(
            f"{key}: {checkpoint!r} holds no tensors by name; it has to be a state dict, or a "
            f"dict with one under {' or '.join(repr(w) for w in _WRAPPERS)}"
        )
    if all(k.startswith("module.") for k in tensors):
        tensors = OrderedDict((k[len("module.") :], v) for k, v in tensors.items())
    else:  # the versions of modules go by their names
        vars(tensors).update(vars(loaded) if isinstance(loaded, OrderedDict) else {})
    return tensors
