"""Pictures of single objects: plain renders (source) and cluttered photographs (target)."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from .dice import Dice
from .object_shapes import BODY, GLASS, LAMP, LEAF, METAL, POT, RUBBER, SECOND, SHAPES, SKIN, Part
from .photographs import NAMES, TILE, atlas, fold
from .sensor import compress

SIZE = 96
_FINE = 2  # drawn so many times larger, then averaged down
_DRAWN = SIZE * _FINE

# The paint of each class in the source: as in a collection of CAD models, colours are habits. A
# network that learns them rather than the shape fails on the target, where paint is arbitrary.
_HABIT_HUES = (0.58, 0.97, 0.13, 0.02, 0.08, 0.66, 0.85, 0.75, 0.33, 0.50, 0.42, 0.25)

# Colours of materials other than paint: (low, high) RGB that a colour is drawn between.
_MATERIALS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    GLASS: ((0.10, 0.14, 0.18), (0.45, 0.55, 0.62)),
    RUBBER: ((0.04, 0.04, 0.04), (0.16, 0.15, 0.15)),
    METAL: ((0.35, 0.35, 0.36), (0.75, 0.76, 0.78)),
    SKIN: ((0.30, 0.20, 0.15), (0.90, 0.72, 0.60)),
    LEAF: ((0.08, 0.22, 0.06), (0.35, 0.55, 0.22)),
    POT: ((0.25, 0.16, 0.12), (0.75, 0.50, 0.38)),
    LAMP: ((0.80, 0.75, 0.55), (1.00, 0.98, 0.85)),
}


def place(
    parts: list[Part], dice: Dice, centre: tuple[float, float], scale: float, tilt: float
) -> list[tuple[str, np.ndarray]]:
    """Turn, stretch and move an object into the picture.

    Args:
        parts: The object in units of its own, about -1..1, y upwards.
        dice: Draws the mirror image and the stretch.
        centre: Where its middle goes, as a share of the picture's side.
        scale: Half its width as a share of the picture's side.
        tilt: Angle in radians.

    Returns:
        Name and corners (N, 2) int32 of every part, in the pixels that are drawn on.
    """
    wide = dice.sign() * scale * dice.real(0.8, 1.1)
    high = scale * dice.real(0.8, 1.1)
    cos, sin = 1.0 - tilt * tilt / 2, tilt  # close enough for small tilts, and portable
    placed = []
    for name, points in parts:
        corners = np.array(points, dtype=np.float64) * (wide, -high)
        turned = np.stack(
            [corners[:, 0] * cos - corners[:, 1] * sin, corners[:, 0] * sin + corners[:, 1] * cos],
            axis=1,
        )
        placed.append((name, np.rint((turned + centre) * _DRAWN).astype(np.int32)))
    return placed


def _flat(
    placed: list[tuple[str, np.ndarray]], colours: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Where an object is seen, and the flat colours of its parts there."""
    canvas = np.full((_DRAWN, _DRAWN), -1, dtype=np.int32)
    for index, (_, points) in enumerate(placed):
        cv2.fillPoly(canvas, [points], index)
    table = np.stack([colours[name] for name, _ in placed])
    return canvas >= 0, table[canvas]


def _material(name: str, generator: np.random.Generator) -> np.ndarray:
    low, high = _MATERIALS[name]
    return np.asarray(low) + (np.asarray(high) - np.asarray(low)) * generator.uniform()


def _shrink(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def render_source_object(label: int, dice: Dice, generator: np.random.Generator) -> np.ndarray:
    """Render an object as VisDA's renders are: alone, untextured, on a plain ground.

    Args:
        label: VisDA's class index.
        dice: The picture's geometry stream.
        generator: The picture's appearance stream.

    Returns:
        (96, 96, 3) uint8, RGB.
    """
    parts = SHAPES[label](dice)
    centre = (0.5 + dice.real(-0.05, 0.05), 0.5 + dice.real(-0.05, 0.05))
    placed = place(parts, dice, centre, dice.real(0.34, 0.44), dice.real(-0.2, 0.2))
    hue = _HABIT_HUES[label] + generator.uniform(-0.03, 0.03)
    paint = np.asarray(
        colorsys.hsv_to_rgb(hue % 1.0, generator.uniform(0.55, 0.9), generator.uniform(0.6, 0.95))
    )
    colours = {BODY: paint, SECOND: paint * generator.uniform(0.55, 0.8)}
    for name in _MATERIALS:
        colours[name] = _material(name, generator)
    covered, image = _flat(placed, colours)
    # one lamp from above: a run from light to dark over the object
    rows = np.linspace(1.12, 0.82, _DRAWN)[:, None, None]
    ground = (
        np.full(3, generator.uniform(0.82, 0.98)) * np.linspace(1.0, 0.93, _DRAWN)[:, None, None]
    )
    image = np.where(covered[..., None], image * rows, ground)
    return np.clip(np.rint(_shrink(image) * 255), 0, 255).astype(np.uint8)


def _texture(generator: np.random.Generator, zoom: float) -> np.ndarray:
    """A random cut of a random tile, (drawn, drawn, 3), about 1 on average."""
    tile = atlas()[0, int(generator.integers(len(NAMES)))]
    x, y = generator.uniform(0, TILE, size=2)
    rows, columns = (fold(np.arange(_DRAWN) * zoom / _FINE + start) for start in (y, x))
    return tile[rows][:, columns]


def _natural(generator: np.random.Generator) -> np.ndarray:
    """Some paint, any: white, grey, black and muted colours are as common as in a street."""
    if generator.random() < 0.45:
        return np.full(3, generator.uniform(0.08, 0.9)) * generator.uniform(0.94, 1.06, size=3)
    hue, saturation = generator.random(), generator.uniform(0.1, 0.6)
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, generator.uniform(0.2, 0.8)))


def _paint_target(
    image: np.ndarray, placed: list[tuple[str, np.ndarray]], generator: np.random.Generator
) -> None:
    """Lay a textured, lit object over a picture."""
    colours = {BODY: _natural(generator), SECOND: _natural(generator)}
    for name in _MATERIALS:
        colours[name] = _material(name, generator) * generator.uniform(0.6, 1.2)
    covered, look = _flat(placed, colours)
    texture = _texture(generator, generator.uniform(0.5, 2.0))
    contrast = generator.uniform(0.3, 0.9)
    look = look * (1 + (texture - 1) * contrast)
    light = generator.uniform(-1, 1, size=2)
    ramp = np.linspace(-1, 1, _DRAWN)
    look = look * (1 + 0.35 * (light[0] * ramp[None, :, None] + light[1] * ramp[:, None, None]))
    image[covered] = look[covered]


def render_target_object(label: int, dice: Dice, generator: np.random.Generator) -> np.ndarray:
    """Render an object as VisDA's crops of photographs are: in clutter, and badly taken.

    Args:
        label: VisDA's class index.
        dice: The picture's geometry stream.
        generator: The picture's appearance stream.

    Returns:
        (96, 96, 3) uint8, RGB, after a JPEG round trip in memory.
    """
    # the surroundings: two textures that meet at a horizon, and strangers of any class
    image = _texture(generator, generator.uniform(0.6, 2.5)) * _natural(generator)
    ground = int(_DRAWN * generator.uniform(0.4, 0.9))
    below = _texture(generator, generator.uniform(0.6, 2.5)) * _natural(generator)
    image[ground:] = below[ground:]
    for _ in range(dice.integer(0, 2)):
        stranger = SHAPES[dice.integer(0, len(SHAPES) - 1)](dice)
        middle = (dice.choice((0.05, 0.95)) + dice.real(-0.15, 0.15), dice.real(0.1, 0.9))
        placed = place(stranger, dice, middle, dice.real(0.12, 0.25), dice.real(-0.2, 0.2))
        _paint_target(image, placed, generator)
    parts = SHAPES[label](dice)
    centre = (0.5 + dice.real(-0.1, 0.1), 0.5 + dice.real(-0.1, 0.1))
    placed = place(parts, dice, centre, dice.real(0.32, 0.52), dice.real(-0.3, 0.3))
    shadow = np.zeros((_DRAWN, _DRAWN), dtype=np.uint8)
    for _, points in placed:
        cv2.fillPoly(shadow, [points + np.array([_DRAWN // 24, _DRAWN // 20])], 255)
    soft = cv2.GaussianBlur(shadow, (0, 0), _DRAWN / 30).astype(np.float32) / 255
    image *= 1 - generator.uniform(0.2, 0.6) * soft[..., None]
    _paint_target(image, placed, generator)
    if dice.chance(0.4):  # something in front
        edge = dice.integer(0, _DRAWN)
        width = int(_DRAWN * dice.real(0.04, 0.1))
        strip = _texture(generator, 1.0) * _natural(generator)
        if dice.chance(0.5):
            image[:, edge : edge + width] = strip[:, edge : edge + width]
        else:
            image[edge : edge + width] = strip[edge : edge + width]
    return _photograph(_shrink(image), generator)


def _photograph(light: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Blur, expose, add noise and compress."""
    light = cv2.GaussianBlur(light, (0, 0), float(generator.uniform(0.3, 1.1)))
    light = light * generator.uniform(0.85, 1.15, size=3).astype(np.float32)
    light = light * np.float32(generator.uniform(0.32, 0.52) / max(float(light.mean()), 1e-3))
    noise = generator.standard_normal(light.shape, dtype=np.float32)
    light = light + noise * np.float32(generator.uniform(0.01, 0.06))
    pixels = np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
    return compress(pixels, int(generator.integers(40, 85)))
