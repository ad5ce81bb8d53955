"""Predict single images: which transforms, which weights."""

from __future__ import annotations

import logging

from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from mmasg.checkpoint.checkpoint_fit import fit, without_prefix
from mmasg.checkpoint.imagenet_file import read_imagenet_file
from mmasg.datasets.dataset_configs import image_pipeline


def prediction_pipeline(cfg: Config) -> list[dict]:
    """Return the config's test transforms without those that read labels.

    Raises:
        ValueError: The config has no test pipeline.
    """
    pipeline = image_pipeline(cfg.get("test_dataloader"))
    if pipeline is None:
        raise ValueError(
            "config: no test_dataloader.dataset.pipeline, from which the transforms of an image "
            "are taken; give the config that the model was trained with"
        )
    return pipeline


def load_weights(
    model: nn.Module, checkpoint: str, allow_partial: bool = False, prefix: str = ""
) -> None:
    """Load a checkpoint of this project (or a bare state dict) into a model, all of it.

    Args:
        model: The model.
        checkpoint: Path, address, or name with a scheme.
        allow_partial: Take what fits and say the rest in the log. Defaults to False.
        prefix: Load the tensors whose names begin with it, without it. Defaults to ``""``: all.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file leaves a tensor of the model unfilled; lists what is missing, of
            another shape or left over.
    """
    weights = read_imagenet_file(checkpoint, "checkpoint")
    found = fit(model, without_prefix(weights, prefix) if prefix else weights)
    said = found.explain(f"checkpoint: {checkpoint}", "--allow-partial")
    if found.unfilled and not allow_partial:
        raise ValueError(said)
    if found.unfilled or found.left_over:
        print_log(said, logger="current", level=logging.WARNING)
