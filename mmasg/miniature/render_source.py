"""The source domain's look: rendered. Flat, clean, saturated; each class has its colours."""

from __future__ import annotations

import colorsys

import numpy as np

from . import classes as c
from .scene import Scene

# Hue (0..1), saturation and value of the classes. Most objects of a class wear them, and
# they hardly vary: a network that trusts them does well here and fails on photographs.
_PALETTES: dict[int, tuple[tuple[float, float, float], ...]] = {
    c.ROAD: ((0.64, 0.16, 0.36),),
    c.SIDEWALK: ((0.92, 0.20, 0.70),),
    c.PARKING: ((0.70, 0.25, 0.50),),
    c.RAIL_TRACK: ((0.06, 0.35, 0.38),),
    c.GROUND: ((0.09, 0.35, 0.55),),
    c.TERRAIN: ((0.20, 0.62, 0.72),),
    c.VEGETATION: ((0.36, 0.80, 0.52),),
    c.SKY: ((0.56, 0.55, 0.98),),
    c.BUILDING: ((0.06, 0.62, 0.78), (0.09, 0.50, 0.86), (0.03, 0.60, 0.66)),
    c.WALL: ((0.76, 0.42, 0.66),),
    c.FENCE: ((0.13, 0.78, 0.56),),
    c.GUARD_RAIL: ((0.55, 0.12, 0.70),),
    c.BRIDGE: ((0.08, 0.20, 0.55),),
    c.POLE: ((0.50, 0.10, 0.80),),
    c.TRAFFIC_LIGHT: ((0.15, 0.95, 0.95),),
    c.TRAFFIC_SIGN: ((0.62, 0.90, 0.95),),
    c.PERSON: ((0.98, 0.85, 0.90), (0.94, 0.80, 0.85)),
    c.RIDER: ((0.80, 0.85, 0.85),),
    c.CAR: ((0.67, 0.75, 0.62), (0.64, 0.80, 0.75)),
    c.TRUCK: ((0.04, 0.92, 0.95),),
    c.BUS: ((0.17, 0.90, 0.88),),
    c.TRAILER: ((0.45, 0.40, 0.50),),
    c.TRAIN: ((0.48, 0.85, 0.72),),
    c.MOTORCYCLE: ((0.85, 0.90, 0.55),),
    c.BICYCLE: ((0.43, 0.95, 0.85),),
    c.STATIC: ((0.30, 0.15, 0.45),),
    c.DYNAMIC: ((0.11, 0.60, 0.60),),
    c.EGO_VEHICLE: ((0.60, 0.30, 0.25),),
    c.OUT_OF_ROI: ((0.0, 0.0, 0.0),),
    c.UNLABELED: ((0.0, 0.0, 0.0),),
}

# What an object is painted with when it does not wear its class's colour: by and large the
# rendered counterpart of what the target's objects wear.
_PAINT = (
    (0.60, 0.06, 0.92), (0.60, 0.10, 0.62), (0.62, 0.20, 0.28), (0.00, 0.80, 0.72),
    (0.62, 0.70, 0.60), (0.38, 0.55, 0.50), (0.14, 0.70, 0.88), (0.08, 0.45, 0.62),
)  # fmt: skip
_STONE = ((0.09, 0.30, 0.80), (0.03, 0.50, 0.60), (0.60, 0.06, 0.66), (0.12, 0.35, 0.88))
_OTHERWISE: dict[int, tuple[tuple[float, float, float], ...]] = {
    **dict.fromkeys((c.BUILDING, c.WALL, c.BRIDGE), _STONE),
    **dict.fromkeys((c.SIDEWALK, c.PARKING), ((0.10, 0.08, 0.62), (0.04, 0.25, 0.60))),
    **dict.fromkeys(
        (c.POLE, c.FENCE), ((0.60, 0.06, 0.42), (0.36, 0.30, 0.36), (0.08, 0.50, 0.42))
    ),
    c.ROAD: ((0.60, 0.04, 0.44),),
    **dict.fromkeys((c.RAIL_TRACK, c.GROUND), ((0.08, 0.15, 0.48), (0.08, 0.30, 0.42))),
    c.TRAFFIC_LIGHT: ((0.60, 0.10, 0.15), (0.40, 0.20, 0.24)),
    c.VEGETATION: ((0.28, 0.65, 0.45), (0.22, 0.60, 0.55)),
    c.TERRAIN: ((0.27, 0.55, 0.55), (0.12, 0.45, 0.62)),
    c.SKY: ((0.58, 0.25, 0.95), (0.60, 0.08, 0.90)),
}

# Share of the objects that wear the colour of their class. It sets how far the domains are apart:
# at 1 hardly anything learnt on the source holds on the target.
_CLASS_COLOUR = 0.8

# Parts that keep their object's colour, lighter or darker.
_SHADES: dict[str, float] = {
    "side": 0.78, "boxside": 0.80, "end": 0.72, "roof": 0.90, "cornice": 1.12, "coping": 1.15,
    "awning": 0.85, "kerb": 1.15, "crown_dark": 0.80, "crown_light": 1.18, "trunk": 0.55,
    "skirt": 0.70, "door": 0.75, "legs": 0.65, "arms": 0.88, "shoes": 0.40, "bag": 0.55,
    "frame": 0.80, "seat": 0.45, "engine": 0.50, "bar": 1.10, "net": 0.70, "rail": 1.5,
    "cab": 0.88, "stripe": 0.75, "helmet": 1.10, "post": 1.0, "lamp": 1.15, "far": 0.92,
    "spokes": 1.15, "bumper": 0.55, "grille": 0.50, "seam": 0.65, "cover": 0.75,
}  # fmt: skip

# Parts that have the same colour whatever they belong to.
_FIXED: dict[str, tuple[float, float, float]] = {
    "window": (0.54, 0.45, 0.55), "wheel": (0.65, 0.20, 0.14), "rim": (0.60, 0.05, 0.65),
    "headlight": (0.15, 0.25, 1.0), "taillight": (0.0, 0.95, 0.85), "plate": (0.14, 0.15, 0.95),
    "skin": (0.07, 0.42, 0.92), "hair": (0.07, 0.60, 0.28), "marking": (0.16, 0.03, 0.95),
    "display": (0.12, 0.90, 0.95), "mirror": (0.60, 0.10, 0.30), "collector": (0.60, 0.10, 0.25),
    "lamp_off": (0.10, 0.60, 0.40), "lamp_red": (0.0, 0.95, 1.0),
    "lamp_amber": (0.11, 0.95, 1.0), "lamp_green": (0.38, 0.95, 0.95),
    "sign_white": (0.16, 0.05, 1.0), "sign_yellow": (0.14, 0.80, 1.0),
}  # fmt: skip


def render_source(scene: Scene, polygons: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Paint a scene as a simple renderer would.

    Args:
        scene: The scene.
        polygons: (256, 512) map of polygon indices, see :func:`raster.polygon_map`.
        generator: The frame's appearance stream.

    Returns:
        (256, 512, 3) uint8, RGB.
    """
    day = generator.uniform(0.94, 1.06)
    things = scene.things
    pick = generator.random(things)
    jitter = generator.uniform(-1.0, 1.0, size=(things, 3)) * (0.02, 0.10, 0.08)
    typical = generator.random(things) < _CLASS_COLOUR
    colours = np.empty((len(scene.polygons), 3), dtype=np.float64)
    for index, polygon in enumerate(scene.polygons):
        palette = _PALETTES[polygon.label]
        if not typical[polygon.thing]:
            palette = _OTHERWISE.get(polygon.label, _PAINT)
        base = palette[int(pick[polygon.thing] * len(palette))]
        hue, saturation, value = _FIXED.get(polygon.part, base)
        hue += jitter[polygon.thing, 0]
        saturation += jitter[polygon.thing, 1]
        value = (value + jitter[polygon.thing, 2]) * _SHADES.get(polygon.part, 1.0) * day
        colours[index] = colorsys.hsv_to_rgb(
            hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
        )
    return np.clip(np.rint(colours * 255.0), 0, 255).astype(np.uint8)[polygons]
