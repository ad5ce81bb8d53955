"""Predict single images: which transforms, which weights."""

from __future__ import annotations

from mmengine.config import Config
from torch import nn

from mmasg.checkpoint.imagenet_file import read_imagenet_file
from mmasg.datasets.dataset_configs import innermost
from mmasg.errors import first_of


def prediction_pipeline(cfg: Config) -> list[dict]:
    """Return the config's test transforms without those that read labels.

    Raises:
        ValueError: The config has no test pipeline.
    """
    loader = cfg.get("test_dataloader") or {}
    pipelines = [d.pipeline for d in innermost(loader.get("dataset")) if "pipeline" in d]
    if not pipelines:
        raise ValueError(
            "config: no test_dataloader.dataset.pipeline, from which the transforms of an image "
            "are taken; give the config that the model was trained with"
        )
    # Of several targets' data sets the first one's, whose images keep their own size in configs/.
    return [dict(step) for step in pipelines[0] if step.type != "LoadAnnotations"]


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
