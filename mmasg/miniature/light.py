"""Light and air of the target domain."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import HEIGHT, WIDTH, Point3, Scene, circle

_LEFT_OR_RIGHT = frozenset({"body", "side", "end", "box", "boxside", "torso", "crown", "window"})


def _clouds(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A smooth random field in about -1..1, (256, 512) float32."""
    coarse = generator.uniform(-1.0, 1.0, size=(rows, columns)).astype(np.float32)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def illumination(
    scene: Scene, polygons: np.ndarray, sun: float, generator: np.random.Generator
) -> np.ndarray:
    """Brightness from the sun's side, within each object and over the frame.

    Args:
        scene: The scene.
        polygons: (256, 512) map of polygon indices.
        sun: Where the light comes from, -1 (left) to 1 (right).
        generator: The frame's appearance stream.

    Returns:
        (256, 512) float32 factors.
    """
    left = np.array([p.points[:, 0].min() for p in scene.polygons], dtype=np.float32)
    right = np.array([p.points[:, 0].max() for p in scene.polygons], dtype=np.float32)
    shaded = np.array([p.part in _LEFT_OR_RIGHT for p in scene.polygons])
    # fronts of houses: those on the sun's side are in their own shade
    middle = (np.clip(left, 0, WIDTH) + np.clip(right, 0, WIDTH)) / WIDTH - 1.0
    factor = 1.0 - 0.30 * sun * np.sign(middle) * np.minimum(np.abs(middle) * 2.0, 1.0) * shaded
    columns = np.arange(WIDTH, dtype=np.float32)[None]
    within = (columns - left[polygons]) / np.maximum(right - left, 1.0)[polygons] - 0.5
    run = np.where(shaded[polygons], 1.0 + 0.55 * sun * np.clip(within, -0.5, 0.5), 1.0)
    slow = 1.0 + 0.15 * _clouds(generator, 3, 5) + 0.06 * _clouds(generator, 10, 20)
    return (factor[polygons] * run * np.clip(slow, 0.5, 1.5)).astype(np.float32)


def ground_shadows(scene: Scene, sun: float, generator: np.random.Generator) -> np.ndarray:
    """Shadows on the ground: of every object, and of the houses on the sun's side.

    Args:
        scene: The scene.
        sun: Where the light comes from, -1 (left) to 1 (right).
        generator: The frame's appearance stream.

    Returns:
        (256, 512) float32 factors, 1 where the light is full.
    """
    camera = scene.camera
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    lean = -sun * generator.uniform(0.6, 2.2)
    for x, width, z in scene.shadows:
        radius = width * 0.62
        blob: list[Point3] = [
            (x + px, 0.0, max(z + 0.25 * radius + pz, 1.9))
            for px, pz in circle(0.0, 0.0, radius, 0.5)
        ]
        cv2.fillPoly(canvas, [camera.project(blob)], 255)
        tail: list[Point3] = [
            (x - width * 0.4, 0.0, z), (x + width * 0.4, 0.0, z),
            (x + lean + width * 0.4, 0.0, z + 1.2), (x + lean - width * 0.4, 0.0, z + 1.2),
        ]  # fmt: skip
        cv2.fillPoly(canvas, [camera.project(tail)], 255)
    if generator.random() < 0.5:  # the houses' shadow reaches the road
        edge = float(generator.uniform(-3.0, 4.0))
        side = 1.0 if sun > 0 else -1.0
        row: list[Point3] = []
        for z in (1.9, 4.0, 8.0, 14.0, 24.0, 45.0, 80.0):
            row.append((side * (edge + float(generator.uniform(-0.6, 0.6))), 0.0, z))
        outline = [*row, (side * 80.0, 0.0, 80.0), (side * 80.0, 0.0, 1.9)]
        cv2.fillPoly(canvas, [camera.project(outline)], 255)
    soft = cv2.GaussianBlur(canvas, (0, 0), float(generator.uniform(1.0, 3.5)))
    strength = generator.uniform(0.25, 0.5)
    return (1.0 - strength * soft.astype(np.float32) / 255.0).astype(np.float32)


def air(
    image: np.ndarray, distance: np.ndarray, sky: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Paint the sky's gradient and clouds, and lay haze over what is far.

    Args:
        image: (256, 512, 3) float32.
        distance: (256, 512) metres.
        sky: (256, 512) bool, where the sky is seen.
        generator: The frame's appearance stream.

    Returns:
        (256, 512, 3) float32.
    """
    rows = np.linspace(0.0, 1.0, HEIGHT, dtype=np.float32)[:, None, None]
    zenith = image[sky].mean(axis=0) if sky.any() else np.full(3, 0.6, dtype=np.float32)
    horizon = 0.4 * zenith + 0.6 * np.float32(generator.uniform(0.65, 0.95))
    horizon = horizon * generator.uniform(0.94, 1.06, size=3).astype(np.float32)
    mix = np.clip(rows * 2.2, 0.0, 1.0)
    cloud = np.clip(0.6 * _clouds(generator, 6, 8) + 0.4 * _clouds(generator, 14, 22), 0.0, 1.0)
    cover = float(generator.uniform(0.0, 0.9))
    dome = zenith * (1.0 - mix) + horizon * mix
    dome = dome + (0.92 - dome) * (cover * cloud)[..., None]
    image = np.where(sky[..., None], 0.7 * dome + 0.3 * image, image)
    reach = float(generator.choice([80.0, 150.0, 300.0, 600.0]))
    haze = np.where(sky, 0.0, 1.0 - np.exp(-distance / reach))[..., None]
    return (image * (1.0 - haze) + horizon * haze).astype(np.float32)
