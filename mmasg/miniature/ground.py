"""The sky and the ground: road, markings, pavements, verges, rails, parking, far background."""

from __future__ import annotations

from dataclasses import dataclass

from .classes import BUILDING, GROUND, PARKING, RAIL_TRACK, ROAD, SIDEWALK, SKY, TERRAIN, VEGETATION
from .dice import Dice
from .scene import Camera, Group, Point3, box, circle

NEAR, FAR = 1.9, 500.0

# Distances at which the edges of a strip are sampled, close enough for a bend to look round.
_STATIONS = (1.9, 3.0, 4.0, 5.5, 7.0, 9.0, 12.0, 16.0, 21.0, 28.0, 38.0, 50.0, 68.0, 90.0)


@dataclass(frozen=True)
class Street:
    """The cross-section of a street, in metres from the camera's middle, left to right.

    ``left``/``right`` are the edges of the road, ``left_kerb``/``right_kerb`` the outer edges of
    the pavements, ``left_front``/``right_front`` where houses and walls stand. Between kerb and
    front lies a verge of the class ``left_verge``/``right_verge``.
    """

    left: float
    right: float
    left_kerb: float
    right_kerb: float
    left_front: float
    right_front: float
    left_verge: int
    right_verge: int
    lane: float
    rails: float | None


def draw_street(dice: Dice) -> Street:
    """Draw a cross-section."""
    lane = dice.real(3.1, 3.8)
    shift = dice.real(-0.6, 0.6)
    rails = dice.choice((None, None, None, -1.0, 1.0))
    left = shift - lane * dice.choice((0.5, 1.5, 1.5, 1.5, 2.5))
    right = shift + lane * dice.choice((0.5, 0.5, 1.5))
    track = None
    if rails is not None and rails < 0:
        left -= 3.6
        track = left + 1.8
    elif rails is not None:
        right += 3.6
        track = right - 1.8
    left_kerb = left - dice.real(1.8, 4.0)
    right_kerb = right + dice.real(1.8, 4.0)
    verges = (SIDEWALK, TERRAIN, TERRAIN, TERRAIN, PARKING, GROUND)
    left_verge, right_verge = dice.choice(verges), dice.choice(verges)
    left_front = left_kerb - (0.3 if left_verge == SIDEWALK else dice.real(1.5, 6.0))
    right_front = right_kerb + (0.3 if right_verge == SIDEWALK else dice.real(1.5, 6.0))
    return Street(
        left, right, left_kerb, right_kerb, left_front, right_front, left_verge, right_verge, lane,
        track,
    )  # fmt: skip


def _strip(group: Group, label: int, part: str, x0: float, x1: float) -> None:
    outline: list[Point3] = [(x0, 0.0, z) for z in _STATIONS]
    outline += [(x1, 0.0, z) for z in reversed(_STATIONS)]
    group.solid(label, part, outline)


def _patch(group: Group, label: int, part: str, x0: float, x1: float, z0: float, z1: float) -> None:
    group.solid(label, part, [(x0, 0.0, z0), (x0, 0.0, z1), (x1, 0.0, z1), (x1, 0.0, z0)])


def sky(camera: Camera) -> Group:
    """The sky, in bands that a renderer may shade."""
    group = Group(camera, 1000.0)
    group.pieces.append((camera.project([(-900.0, 600.0, 300.0), (900.0, 600.0, 300.0),
                                         (900.0, -600.0, 300.0), (-900.0, -600.0, 300.0)]),
                         SKY, "sky"))  # fmt: skip
    return group


def ground(camera: Camera, dice: Dice, street: Street) -> list[Group]:
    """Everything that lies flat, one group a surface, in the order of drawing."""
    groups = []
    order = 950.0

    def layer() -> Group:
        nonlocal order
        order -= 1.0
        groups.append(Group(camera, order))
        return groups[-1]

    base = layer()
    wide = 900.0
    label = TERRAIN if dice.chance(0.6) else GROUND
    base.solid(
        label, "ground",
        [(-wide, 0.0, FAR), (wide, 0.0, FAR), (wide, 0.0, NEAR), (-wide, 0.0, NEAR)],
    )  # fmt: skip
    for verge, kerb, front in (
        (street.left_verge, street.left_kerb, street.left_front - 30.0),
        (street.right_verge, street.right_kerb, street.right_front + 30.0),
    ):
        _strip(layer(), verge, "ground", min(kerb, front), max(kerb, front))
    pavement = layer()
    _strip(pavement, SIDEWALK, "pavement", street.left_kerb, street.left)
    _strip(pavement, SIDEWALK, "pavement", street.right, street.right_kerb)
    road = layer()
    _strip(road, ROAD, "road", street.left, street.right)
    _strip(pavement, SIDEWALK, "kerb", street.left - 0.2, street.left)
    _strip(pavement, SIDEWALK, "kerb", street.right, street.right + 0.2)
    if dice.chance(0.4):  # a side street
        z = dice.real(9.0, 30.0)
        side = dice.sign()
        edge = 60.0 * side
        begin = street.left if side < 0 else street.right
        _patch(road, ROAD, "road", min(begin, edge), max(begin, edge), z, z + dice.real(4.0, 7.0))
    _markings(road, dice, street)
    if street.rails is not None:
        track = layer()
        _strip(track, RAIL_TRACK, "bed", street.rails - 1.3, street.rails + 1.3)
        for rail in (street.rails - 0.72, street.rails + 0.72):
            _strip(track, RAIL_TRACK, "rail", rail - 0.07, rail + 0.07)
    return groups


def _markings(road: Group, dice: Dice, street: Street) -> None:
    lines = max(1, int((street.right - street.left) / street.lane + 0.5))
    for number in range(1, lines):
        x = street.left + number * (street.right - street.left) / lines
        if dice.chance(0.3):
            _strip(road, ROAD, "marking", x - 0.08, x + 0.08)
        else:
            start = dice.real(2.0, 6.0)
            for dash in range(8):
                z = start + dash * 6.0
                _patch(road, ROAD, "marking", x - 0.09, x + 0.09, z, z + 3.0)
    if dice.chance(0.5):
        for x in (street.left + 0.25, street.right - 0.25):
            _strip(road, ROAD, "marking", x - 0.07, x + 0.07)
    if dice.chance(0.3):  # a zebra crossing
        z = dice.real(6.0, 16.0)
        x = street.left + 0.3
        while x < street.right - 0.5:
            _patch(road, ROAD, "marking", x, x + 0.5, z, z + 3.0)
            x += 1.0
    if dice.chance(0.4):  # a manhole cover
        x, z = dice.real(street.left, street.right), dice.real(4.0, 12.0)
        road.solid(ROAD, "cover", [(x + px, 0.0, z + pz) for px, pz in circle(0.0, 0.0, 0.4)])


def skyline(camera: Camera, dice: Dice) -> list[Group]:
    """Houses and trees at the end of the street, to the horizon's left and right."""
    groups = []
    x = -95.0
    while x < 95.0:
        width = dice.real(7.0, 20.0)
        depth = dice.real(70.0, 88.0)
        group = Group(camera, depth)
        if dice.chance(0.5):
            high = dice.real(5.0, 20.0)
            group.flat(BUILDING, "far", box(0.0, 0.0, width, high), x)
            for column in range(int(width / 3.0)):
                for floor in range(int(high / 3.2)):
                    low = 1.2 + floor * 3.2
                    window = box(1.0 + column * 3.0, low, 2.4 + column * 3.0, low + 1.5)
                    group.flat(BUILDING, "window", window, x)
        else:
            high = dice.real(4.0, 10.0)
            for _ in range(4):
                blob = circle(
                    dice.real(0.0, width), dice.real(0.3, 0.8) * high, dice.real(0.35, 0.5) * high
                )
                group.flat(VEGETATION, dice.choice(("crown", "crown_dark")), blob, x)
            group.flat(VEGETATION, "crown_dark", box(-1.0, 0.0, width + 1.0, high * 0.5), x)
        groups.append(group)
        x += width * dice.real(0.8, 1.1)
    return groups
