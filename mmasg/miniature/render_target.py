"""The target domain's look: photographed. Textures, light, haze, shadows, then a camera."""

from __future__ import annotations

import numpy as np

from . import classes as c
from .light import air, ground_shadows, illumination
from .materials import SHADES, material_of
from .photographs import LEVELS, NAMES, TILE, atlas, fold
from .scene import HEIGHT, WIDTH, Scene
from .sensor import photograph

_FLAT = (c.ROAD, c.SIDEWALK, c.PARKING, c.RAIL_TRACK, c.GROUND, c.TERRAIN)
# Overall strength of the textures; with 1 hardly anything learnt on the source holds here.
_TEXTURE = 0.55
_TILE_INDEX = {name: index for index, name in enumerate(NAMES)}


def render_target(
    scene: Scene,
    polygons: np.ndarray,
    appearance: np.random.Generator,
    sensor: np.random.Generator,
) -> np.ndarray:
    """Paint a scene as a camera on a street might see it.

    Args:
        scene: The scene.
        polygons: (256, 512) map of polygon indices, see :func:`raster.polygon_map`.
        appearance: The frame's stream for colours, textures, light and weather.
        sensor: The frame's stream for lens, noise and compression.

    Returns:
        (256, 512, 3) uint8, RGB, after a JPEG round trip in memory.
    """
    labels = np.array([p.label for p in scene.polygons], dtype=np.uint8)[polygons]
    flat = np.isin(labels, _FLAT)
    scale = _pixels_per_metre(scene, polygons, flat)
    image = _surfaces(scene, polygons, flat, scale, appearance)
    sun = float(appearance.uniform(-1.0, 1.0))  # from the left (-1) to the right (1)
    image *= illumination(scene, polygons, sun, appearance)[..., None]
    image *= np.where(flat, ground_shadows(scene, sun, appearance), 1.0)[..., None]
    distance = scene.camera.focal / scale
    image = air(image, distance, labels == c.SKY, appearance)
    return photograph(image, sensor)


def _pixels_per_metre(scene: Scene, polygons: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Scale of the picture at each pixel, (256, 512) float32, from the geometry seen there."""
    camera = scene.camera
    columns = np.arange(WIDTH, dtype=np.float32)[None]
    base = np.empty(len(scene.polygons), dtype=np.float32)
    slope = np.zeros(len(scene.polygons), dtype=np.float32)
    origin = np.zeros(len(scene.polygons), dtype=np.float32)
    for index, polygon in enumerate(scene.polygons):
        base[index] = camera.focal / min(polygon.depth, 120.0)
        points = polygon.points
        if len(points) != 4 or points[0, 0] != points[3, 0] or points[1, 0] != points[2, 0]:
            continue
        near, far = float(points[0, 1] - points[3, 1]), float(points[1, 1] - points[2, 1])
        run = float(points[1, 0] - points[0, 0])
        if near > 0 and far > 0 and near != far and run != 0:
            # the flank of something: its height in pixels tells the distance along it
            size = base[index] / far
            base[index] = far * size
            slope[index] = (far - near) / run * size
            origin[index] = points[1, 0]
    upright = base[polygons] + slope[polygons] * (columns - origin[polygons])
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    ground = np.broadcast_to((rows + 0.5 - camera.horizon) / camera.height, upright.shape)
    return np.clip(np.where(flat, ground, upright), 2.0, 200.0).astype(np.float32)


def _surfaces(
    scene: Scene,
    polygons: np.ndarray,
    flat: np.ndarray,
    scale: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Colour times texture at each pixel, (256, 512, 3) float32 reflectances."""
    count = len(scene.polygons)
    colour = np.empty((count, 3), dtype=np.float32)
    tile = np.empty(count, dtype=np.int64)
    contrast, density, gloss = (np.empty(count, dtype=np.float32) for _ in range(3))
    drawn: dict[tuple[int, int], tuple[np.ndarray, int, float, float]] = {}
    for index, polygon in enumerate(scene.polygons):
        material = material_of(polygon.label, polygon.part)
        # parts of one material share what is drawn within their object
        key = (polygon.thing, id(material))
        if key not in drawn:
            base = np.array(material.colours[generator.integers(len(material.colours))])
            varied = base * generator.uniform(0.75, 1.3) * generator.uniform(0.9, 1.1, size=3)
            name = material.tiles[generator.integers(len(material.tiles))]
            strength = _TEXTURE * material.contrast * generator.uniform(0.7, 1.3)
            stretch = material.density * generator.uniform(0.7, 1.4)
            drawn[key] = (varied, _TILE_INDEX[name], strength, stretch)
        varied, tile[index], contrast[index], density[index] = drawn[key]
        colour[index] = varied * SHADES.get(polygon.part, 1.0)
        gloss[index] = material.gloss
    offset = generator.uniform(0.0, 2.0 * TILE, size=(scene.things, 2)).astype(np.float32)
    things = np.array([p.thing for p in scene.polygons])[polygons]

    rows = np.arange(HEIGHT, dtype=np.float32)[:, None] - np.float32(scene.camera.horizon)
    columns = np.arange(WIDTH, dtype=np.float32)[None] - np.float32(scene.camera.centre)
    fineness = density[polygons]
    across = columns / scale * fineness + offset[things, 0]
    along = np.where(flat, scene.camera.focal / scale, rows / scale) * fineness + offset[things, 1]
    level = np.clip(np.log2(fineness / scale), 0, LEVELS - 1).astype(np.int64)
    texture = atlas()[level, tile[polygons], fold(along), fold(across)]
    image = colour[polygons] * (1.0 + (texture - 1.0) * contrast[polygons][..., None])

    top = np.array([p.points[:, 1].min() for p in scene.polygons], dtype=np.float32)[polygons]
    bottom = np.array([p.points[:, 1].max() for p in scene.polygons], dtype=np.float32)[polygons]
    height = (rows + np.float32(scene.camera.horizon) - top) / np.maximum(bottom - top, 1.0)
    image *= (1.0 + gloss[polygons] * (0.6 - 1.2 * height))[..., None]
    return np.clip(image, 0.005, 1.5).astype(np.float32)
