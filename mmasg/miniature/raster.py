"""From a scene's polygons to label maps."""

from __future__ import annotations

import cv2
import numpy as np

from .classes import COUNTED, OUT_OF_ROI
from .scene import HEIGHT, WIDTH, Scene


def polygon_map(scene: Scene) -> np.ndarray:
    """Which polygon is seen at each pixel.

    Returns:
        (256, 512) int32 of indices into ``scene.polygons``. Integer arithmetic throughout, hence
        the same on every machine.
    """
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.int32)
    for index, polygon in enumerate(scene.polygons):
        cv2.fillPoly(canvas, [polygon.points], index)
    return canvas


def label_map(scene: Scene, polygons: np.ndarray) -> np.ndarray:
    """Cityscapes label ids.

    Args:
        scene: The scene.
        polygons: What :func:`polygon_map` returned for it.

    Returns:
        (256, 512) uint8.
    """
    labels = np.array([p.label for p in scene.polygons], dtype=np.uint8)[polygons]
    for points in scene.hidden:
        cv2.fillPoly(labels, [points], OUT_OF_ROI)
    return labels


def instance_map(scene: Scene, polygons: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cityscapes instance ids: ``label * 1000 + n`` for counted classes, the label elsewhere.

    Args:
        scene: The scene.
        polygons: What :func:`polygon_map` returned for it.
        labels: What :func:`label_map` returned for it.

    Returns:
        (256, 512) uint16; ``n`` counts the visible objects of a class from 0.
    """
    things = np.array([p.thing for p in scene.polygons], dtype=np.int32)[polygons]
    instances = labels.astype(np.uint16)
    for label in sorted(COUNTED & set(np.unique(labels).tolist())):
        mask = labels == label
        for number, thing in enumerate(np.unique(things[mask])):
            instances[mask & (things == thing)] = label * 1000 + number
    return instances
