"""Predict single images: which files, which transforms, which weights."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config
from torch import nn

from mmasg.checkpoint.imagenet_file import read_imagenet_file
from mmasg.errors import first_of
from mmasg.files.listing import IMAGE_SUFFIXES, list_files


def find_images(path: str) -> list[Path]:
    """Return the image of a path, or all below a folder (linked ones included), sorted.

    Raises:
        FileNotFoundError: There is no such path, or the folder holds no image.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    images = [root / name for name in list_files(root)]
    if not images:
        what = "holds no image" if root.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"images: {os.path.abspath(path)!r} {what}; give an image or a folder with files that "
            f"end in {', '.join(IMAGE_SUFFIXES)}"
        )
    return images


def prediction_pipeline(cfg: Config) -> list[dict]:
    """Return the config's test transforms without those that read labels.

    Raises:
        ValueError: The config has no test pipeline.
    """
    loader = cfg.get("test_dataloader")
    if loader is None or "pipeline" not in loader.dataset:
        raise ValueError(
            "config: no test_dataloader.dataset.pipeline, from which the transforms of an image "
            "are taken; give the config that the model was trained with"
        )
    return [dict(step) for step in loader.dataset.pipeline if step.type != "LoadAnnotations"]


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Load a checkpoint of this project (or a bare state dict) into a model, strictly.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not fit the model; lists what is missing or left over.
    """
    weights = read_imagenet_file(checkpoint, "checkpoint")
    missing, unexpected = [], []
    own = model.state_dict()
    missing = [k for k in own if k not in weights]
    unexpected = [k for k in weights if k not in own]
    shapes = [k for k in own if k in weights and own[k].shape != weights[k].shape]
    if missing or unexpected or shapes:
        raise ValueError(
            f"checkpoint: {checkpoint!r} does not fit the config's model: {len(missing)} missing "
            f"({first_of(missing, 4)}), {len(unexpected)} left over "
            f"({first_of(unexpected, 4)}), {len(shapes)} of another shape "
            f"({first_of(shapes, 4)}). Give the config that the checkpoint was trained with"
        )
    model.load_state_dict(weights)
