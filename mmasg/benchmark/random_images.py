"""Noise in the place of a training set, for measurements where there are no data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from mmengine.structures import PixelData
from torch.utils.data import Dataset

from mmasg.datasets.dataset_configs import innermost

from .hook_variants import hook_type


@DATASETS.register_module()
class RandomImages(Dataset):
    """Noise in the shape of a training set, for a benchmark where there are no data.

    Args:
        size: Height and width.
        task: ``'segmentation'`` or ``'classification'``.
        num_classes: Labels are drawn from 0 .. num_classes - 1.
        length: Number of images. Defaults to 64.
    """

    def __init__(self, size: tuple[int, int], task: str, num_classes: int, length: int = 64):
        self.size, self.task = tuple(size), task
        self.num_classes, self.length = num_classes, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        random = np.random.default_rng(index)
        image = torch.from_numpy(random.integers(0, 256, (3, *self.size), dtype=np.uint8))
        meta = dict(img_shape=self.size, ori_shape=self.size, pad_shape=self.size, img_path="")
        if self.task == "classification":
            from mmasg.datasets.classification_sample import ClassificationSample

            sample: Any = ClassificationSample(metainfo=meta)
            sample.set_gt_label(int(random.integers(self.num_classes)))
        else:
            from mmseg.structures import SegDataSample

            sample = SegDataSample(metainfo=meta)
            label = random.integers(0, self.num_classes, (1, *self.size))
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(label))
        return dict(inputs=image, data_samples=sample)


def _pipeline(config: Config) -> list[dict]:
    return next(innermost(config.train_dataloader.dataset)).get("pipeline") or []


def task_of(config: Config) -> str:
    """``'classification'`` where the training pipeline packs class numbers, else segmentation."""
    classifies = "PackClassification" in map(hook_type, _pipeline(config))
    return "classification" if classifies else "segmentation"


def image_size(config: Config) -> tuple[int, int]:
    """Height and width of what the training pipeline crops to.

    Raises:
        ValueError: It crops to none.
    """
    sizes = [step["crop_size"] for step in _pipeline(config) if "crop_size" in step]
    if not sizes:
        raise ValueError(
            "The training pipeline crops to no fixed size: give one, --size HEIGHT WIDTH."
        )
    last = sizes[-1]
    return (last[0], last[1]) if isinstance(last, (tuple, list)) else (last, last)


def use_random_images(config: Config, size: tuple[int, int] | None) -> None:
    """Put noise in the place of a config's training images.

    Args:
        config: The config; changed.
        size: Height and width; ``None`` takes the crop size of the training pipeline.

    Raises:
        ValueError: If no size is given and the pipeline crops to none.
    """
    task = task_of(config)
    if size is None:
        size = image_size(config)
    head = config.model.get("decode_head") or config.model.get("head")
    head = head[-1] if isinstance(head, (list, tuple)) else head
    config.train_dataloader.dataset = ConfigDict(
        type="RandomImages", size=size, task=task, num_classes=head["num_classes"]
    )
    config.train_dataloader.sampler = ConfigDict(type="InfiniteSampler")
