"""What the target domain's things are made of: tiles and ranges of natural colours.

Colours overlap between classes on purpose: on the target neither colour nor texture alone tells
a bus from a wall or a road from a pavement, shape and place do.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import classes as c

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """A choice of tiles, a choice of colours, and how they are laid on.

    Attributes:
        tiles: Names of tiles in :mod:`photographs`.
        colours: Linear RGB reflectances in 0..1, one of which is drawn and varied.
        contrast: Strength of the texture, 0 none, 1 as photographed.
        density: Pixels of the tile per metre.
        gloss: Strength of a light-to-dark run from top to bottom, as of painted metal.
    """

    tiles: tuple[str, ...]
    colours: tuple[Colour, ...]
    contrast: float = 0.8
    density: float = 80.0
    gloss: float = 0.0


_PAINT: tuple[Colour, ...] = (
    (0.80, 0.80, 0.78),
    (0.60, 0.61, 0.62),
    (0.30, 0.31, 0.33),
    (0.08, 0.08, 0.09),
    (0.55, 0.10, 0.09),
    (0.12, 0.18, 0.38),
    (0.16, 0.28, 0.22),
    (0.70, 0.62, 0.45),
    (0.40, 0.46, 0.52),
    (0.72, 0.55, 0.15),
    (0.35, 0.22, 0.15),
)
_CLOTHES: tuple[Colour, ...] = (
    (0.10, 0.10, 0.12),
    (0.15, 0.18, 0.30),
    (0.55, 0.53, 0.50),
    (0.45, 0.15, 0.14),
    (0.25, 0.30, 0.22),
    (0.62, 0.50, 0.36),
    (0.30, 0.22, 0.18),
    (0.72, 0.70, 0.68),
    (0.28, 0.38, 0.48),
    (0.60, 0.42, 0.15),
)
_STONE: tuple[Colour, ...] = (
    (0.62, 0.56, 0.46),
    (0.48, 0.28, 0.21),
    (0.55, 0.54, 0.52),
    (0.74, 0.71, 0.64),
    (0.66, 0.56, 0.36),
    (0.38, 0.33, 0.29),
    (0.48, 0.52, 0.50),
    (0.60, 0.42, 0.34),
)
_GREY: tuple[Colour, ...] = ((0.30, 0.30, 0.31), (0.42, 0.41, 0.40), (0.22, 0.22, 0.24))
_CLOTH_TILES = ("suit", "flag", "coat", "fur", "fur_light", "petals", "boards", "moon")
_METAL_TILES = ("tank", "saucer", "visor", "lake", "day_sky", "shelf")
_GLASS_TILES = ("lake", "skyline", "shelf", "pagoda", "trees", "visor")

_CLOTH = Material(_CLOTH_TILES, _CLOTHES, 0.9, 240.0)
_SHEET = Material(_METAL_TILES, _PAINT, 0.35, 90.0, 0.45)

# Of a class, unless the part says otherwise.
_CLASSES: dict[int, Material] = {
    c.ROAD: Material(
        ("gravel", "concrete", "lawn"),
        ((0.28, 0.28, 0.29), (0.36, 0.35, 0.34), (0.22, 0.22, 0.24), (0.44, 0.43, 0.42)),
        0.55,
        90.0,
    ),
    c.SIDEWALK: Material(
        ("brick", "gravel_close", "concrete", "brick_close"),
        ((0.42, 0.41, 0.40), (0.52, 0.47, 0.42), (0.36, 0.36, 0.38), (0.46, 0.36, 0.32)),
        0.75,
        110.0,
    ),
    c.PARKING: Material(
        ("brick", "gravel", "concrete"), ((0.38, 0.38, 0.38), (0.44, 0.40, 0.36)), 0.7, 90.0
    ),
    c.RAIL_TRACK: Material(
        ("gravel", "gravel_close", "lawn"), ((0.30, 0.28, 0.27), (0.26, 0.25, 0.24)), 0.9, 120.0
    ),
    c.GROUND: Material(
        ("gravel", "lawn", "concrete"), ((0.46, 0.42, 0.36), (0.38, 0.37, 0.35)), 0.8, 90.0
    ),
    c.TERRAIN: Material(
        ("grass", "lawn", "grass_close", "shrubs"),
        ((0.27, 0.36, 0.13), (0.38, 0.38, 0.20), (0.21, 0.31, 0.11), (0.38, 0.31, 0.20)),
        0.9,
        100.0,
    ),
    c.VEGETATION: Material(
        ("trees", "shrubs", "conifer", "leaves", "grass_close"),
        (
            (0.13, 0.26, 0.08),
            (0.20, 0.31, 0.11),
            (0.10, 0.18, 0.07),
            (0.24, 0.27, 0.11),
            (0.34, 0.26, 0.12),
        ),
        1.1,
        60.0,
    ),
    c.BUILDING: Material(
        ("brick", "brick_close", "moon", "concrete", "boards", "gravel"), _STONE, 0.7, 75.0
    ),
    c.WALL: Material(("brick", "gravel_close", "concrete", "moon", "boards"), _STONE, 0.8, 100.0),
    c.FENCE: Material(
        ("wood", "boards", "concrete", "coat"),
        (
            (0.34, 0.24, 0.16),
            (0.20, 0.22, 0.20),
            (0.55, 0.54, 0.50),
            (0.12, 0.12, 0.13),
            (0.20, 0.30, 0.22),
        ),
        0.7,
        120.0,
    ),
    c.GUARD_RAIL: Material(("concrete",), ((0.55, 0.56, 0.57),), 0.4, 80.0),
    c.BRIDGE: Material(("concrete", "moon"), ((0.45, 0.44, 0.42),), 0.7, 60.0),
    c.POLE: Material(
        ("concrete", "wood", "moon"),
        (*_GREY, (0.16, 0.22, 0.18), (0.40, 0.33, 0.26), (0.62, 0.62, 0.60)),
        0.5,
        120.0,
    ),
    c.TRAFFIC_LIGHT: Material(
        ("coat", "visor"),
        ((0.06, 0.06, 0.07), (0.10, 0.14, 0.12), (0.20, 0.20, 0.20), (0.55, 0.45, 0.12)),
        0.5,
        120.0,
    ),
    c.TRAFFIC_SIGN: Material(
        ("concrete", "moon"),
        (
            (0.55, 0.08, 0.09),
            (0.10, 0.20, 0.50),
            (0.62, 0.62, 0.60),
            (0.12, 0.35, 0.24),
            (0.68, 0.52, 0.12),
        ),
        0.3,
        120.0,
    ),
    c.PERSON: _CLOTH,
    c.RIDER: _CLOTH,
    c.CAR: _SHEET,
    c.TRUCK: Material((*_METAL_TILES, "concrete", "boards"), _PAINT, 0.45, 60.0, 0.25),
    c.BUS: Material(_METAL_TILES, _PAINT, 0.35, 60.0, 0.35),
    c.TRAIN: Material(_METAL_TILES, _PAINT, 0.35, 60.0, 0.35),
    c.TRAILER: _SHEET,
    c.MOTORCYCLE: Material(("tank", "engine", "visor"), _PAINT, 0.8, 200.0, 0.4),
    c.BICYCLE: Material(("coat", "tank"), (*_PAINT, *_GREY), 0.4, 200.0, 0.2),
    c.STATIC: Material(
        ("concrete", "boards", "flag"), (*_GREY, (0.20, 0.26, 0.20), (0.46, 0.40, 0.34)), 0.6, 90.0
    ),
    c.DYNAMIC: Material(("boards", "shelf"), _PAINT, 0.6, 90.0),
    c.EGO_VEHICLE: Material(
        ("visor", "lake"), ((0.10, 0.10, 0.11), (0.40, 0.41, 0.43)), 0.5, 60.0, 0.5
    ),
    c.SKY: Material(
        ("day_sky", "grey_sky", "night_sky"),
        ((0.60, 0.70, 0.84), (0.76, 0.78, 0.80), (0.44, 0.60, 0.84), (0.84, 0.80, 0.74)),
        0.5,
        1.0,
    ),
}

_DARK = Material(("coat", "visor"), ((0.045, 0.045, 0.05), (0.08, 0.08, 0.08)), 0.5, 120.0)

# Of a part, whatever it belongs to.
_PARTS: dict[str, Material] = {
    "window": Material(
        _GLASS_TILES,
        ((0.10, 0.12, 0.14), (0.18, 0.21, 0.24), (0.07, 0.07, 0.08), (0.32, 0.36, 0.40)),
        1.1,
        50.0,
        0.4,
    ),
    "wheel": _DARK,
    "rim": Material(
        ("engine", "tank"), ((0.35, 0.35, 0.36), (0.15, 0.15, 0.15), (0.55, 0.55, 0.55)), 0.8, 200.0
    ),
    "engine": Material(("engine",), ((0.30, 0.30, 0.30), (0.18, 0.18, 0.18)), 1.2, 260.0),
    "headlight": Material(("day_sky",), ((0.88, 0.87, 0.80), (0.60, 0.60, 0.60)), 0.2, 90.0),
    "taillight": Material(("tank",), ((0.50, 0.05, 0.05), (0.30, 0.04, 0.04)), 0.3, 90.0),
    "plate": Material(("moon",), ((0.70, 0.70, 0.68), (0.65, 0.58, 0.25)), 0.3, 90.0),
    "skin": Material(
        ("face",),
        ((0.66, 0.46, 0.36), (0.45, 0.29, 0.21), (0.24, 0.15, 0.11), (0.72, 0.54, 0.44)),
        0.5,
        300.0,
    ),
    "hair": Material(
        ("fur",),
        ((0.08, 0.06, 0.05), (0.30, 0.20, 0.12), (0.50, 0.38, 0.22), (0.45, 0.44, 0.43)),
        0.8,
        300.0,
    ),
    "helmet": Material(("visor", "tank"), (*_PAINT,), 0.5, 200.0, 0.4),
    "legs": Material(
        ("coat", "suit", "fur_light"),
        ((0.09, 0.10, 0.14), (0.16, 0.19, 0.28), (0.36, 0.32, 0.26), (0.07, 0.07, 0.07)),
        0.8,
        240.0,
    ),
    "shoes": _DARK,
    "bag": Material(("coat", "suit", "wood"), _CLOTHES, 0.8, 240.0),
    "marking": Material(("concrete", "moon"), ((0.62, 0.62, 0.60), (0.52, 0.52, 0.50)), 0.7, 90.0),
    "cover": Material(("gravel_close",), ((0.16, 0.15, 0.15),), 0.9, 90.0),
    "trunk": Material(
        ("wood", "boards", "fur"), ((0.20, 0.16, 0.12), (0.28, 0.25, 0.22)), 0.9, 120.0
    ),
    "kerb": Material(("concrete", "moon"), ((0.52, 0.51, 0.50), (0.42, 0.41, 0.40)), 0.6, 90.0),
    "door": Material(
        ("wood", "boards", "tank"),
        ((0.26, 0.16, 0.10), (0.16, 0.20, 0.18), (0.48, 0.46, 0.44)),
        0.7,
        90.0,
    ),
    "awning": Material(("flag", "suit", "petals"), _PAINT, 0.6, 80.0),
    "net": Material(
        ("trees", "boards", "skyline", "coat"),
        ((0.24, 0.25, 0.22), (0.32, 0.30, 0.27), (0.14, 0.15, 0.14)),
        1.0,
        80.0,
    ),
    "rail": Material(("concrete",), ((0.42, 0.40, 0.38),), 0.4, 80.0),
    "collector": _DARK,
    "bumper": _DARK,
    "grille": _DARK,
    "spokes": Material(
        ("engine", "gravel", "trees", "lake"),
        ((0.30, 0.30, 0.29), (0.42, 0.41, 0.40), (0.22, 0.21, 0.20)),
        1.0,
        200.0,
    ),
    "display": Material(("visor",), ((0.05, 0.05, 0.06), (0.50, 0.38, 0.10)), 0.5, 90.0),
    "lamp_off": Material(("visor",), ((0.10, 0.10, 0.10),), 0.4, 90.0),
    "lamp_red": Material(("tank",), ((0.85, 0.10, 0.08),), 0.2, 90.0),
    "lamp_amber": Material(("tank",), ((0.85, 0.55, 0.08),), 0.2, 90.0),
    "lamp_green": Material(("tank",), ((0.10, 0.75, 0.45),), 0.2, 90.0),
    "sign_white": Material(("moon",), ((0.70, 0.70, 0.69), (0.60, 0.60, 0.58)), 0.3, 90.0),
    "sign_yellow": Material(("moon",), ((0.72, 0.55, 0.12), (0.66, 0.66, 0.62)), 0.3, 90.0),
}

# Parts that are their object's material, lighter or darker.
SHADES: dict[str, float] = {
    "side": 0.75,
    "boxside": 0.78,
    "end": 0.72,
    "roof": 0.92,
    "cornice": 1.12,
    "coping": 1.12,
    "crown_dark": 0.70,
    "crown_light": 1.30,
    "skirt": 0.65,
    "arms": 0.85,
    "seam": 0.6,
    "stripe": 0.6,
    "bar": 1.1,
    "seat": 0.4,
    "cab": 0.9,
    "lamp": 1.1,
    "far": 0.9,
}


def material_of(label: int, part: str) -> Material:
    """The material of a part of an object of a class."""
    return _PARTS.get(part) or _CLASSES[label]
