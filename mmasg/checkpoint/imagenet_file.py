"""Read an ImageNet checkpoint whole: the backbone's tensors and the classifier's."""

from __future__ import annotations

import os
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

from .safe_checkpoint import load_checkpoint

_WRAPPERS = ("state_dict", "model", "model_state")


def read_imagenet_file(checkpoint: str, key: str) -> dict[str, Tensor]:
    """Return the flat state dict of an ImageNet checkpoint.

    A path on disk (see :func:`~mmasg.checkpoint.safe_checkpoint.load_checkpoint`) and an
    ``http(s)`` address are read with ``weights_only=True``. All other schemes that mmengine knows
    (``torchvision://``, ``open-mmlab://``, ``pip://``) are resolved by mmengine.

    Args:
        checkpoint: Path, address, or name with a scheme.
        key: Config key to name in errors.

    Raises:
        FileNotFoundError: The path does not exist, or the address does not answer.
        ValueError: The file holds pickled code, is damaged, or is no state dict.
    """
    loaded: Any
    if "://" not in checkpoint:
        if not os.path.isfile(checkpoint):
            raise FileNotFoundError(
                f"{key}: no file {checkpoint!r} (looked in {os.path.abspath(checkpoint)!r}). Give "
                "an existing path, or a name such as 'torchvision://resnet101'"
            )
        loaded = load_checkpoint(checkpoint, "cpu", key)
    else:
        try:
            if checkpoint.startswith(("http://", "https://")):
                loaded = torch.hub.load_state_dict_from_url(
                    checkpoint, map_location="cpu", weights_only=True
                )
            else:
                loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
        except OSError as error:  # URLError is one: no network, no such host
            raise FileNotFoundError(
                f"{key}: {checkpoint!r} could not be fetched ({error}). Download the file on a "
                "machine with internet access and give its path instead"
            ) from error
    return _flatten(loaded, checkpoint, key)


def _flatten(loaded: Any, checkpoint: str, key: str) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    tensors = (
        {k: v for k, v in loaded.items() if isinstance(v, Tensor)}
        if isinstance(loaded, dict)
        else {}
    )
    if not tensors:
        raise ValueError(
            f"{key}: {checkpoint!r} holds no tensors by name; it has to be a state dict, or a "
            f"dict with one under {' or '.join(repr(w) for w in _WRAPPERS)}"
        )
    if all(k.startswith("module.") for k in tensors):
        tensors = {k[len("module.") :]: v for k, v in tensors.items()}
    return tensors
