"""Colour jitter and blur of the mixed frames."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from mmseg.datasets.transforms import PhotoMetricDistortion
from torch import Tensor

#: Standard deviations of the blur, in pixels (DACS, section 3.2).
_SIGMA = (0.15, 1.15)


def strong_augmentation(image: Tensor) -> Tensor:
    """Change an image's colours, and blur it with probability 0.5.

    Draws from :mod:`numpy.random`, which ``KeyedRandomnessHook`` seeds for every iteration.

    Args:
        image: (3, H, W), uint8, BGR, as the pipelines pack it.

    Returns:
        A new image of the same form, on the same device.
    """
    pixels = np.ascontiguousarray(image.cpu().permute(1, 2, 0).numpy())
    pixels = PhotoMetricDistortion()(dict(img=pixels))["img"]
    if np.random.random() < 0.5:
        pixels = cv2.GaussianBlur(pixels, (0, 0), np.random.uniform(*_SIGMA))
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).to(image.device)
