"""Cars, trucks, buses and trams, seen from behind, from the front or from the side."""

from __future__ import annotations

from .classes import BUS, CAR, TRAILER, TRAIN, TRUCK
from .dice import Dice
from .scene import Camera, Group, Point2, box, circle


def _wheel(group: Group, label: int, x: float, radius: float, z: float | None = None) -> None:
    group.flat(label, "wheel", circle(x, radius, radius), 0.0, z)
    group.flat(label, "rim", circle(x, radius, radius * 0.55), 0.0, z)


def _pair(
    group: Group, label: int, part: str, at: float, half: float, low: float, high: float, x: float
) -> None:
    """Two boxes of half a width, ``at`` to the left and to the right of a vehicle's middle."""
    for side in (-1, 1):
        group.flat(label, part, box(side * at - half, low, side * at + half, high), x)


def _side_wheels(group: Group, label: int, x: float, radius: float, places: list[float]) -> None:
    """Wheels in the plane of a vehicle's flank at ``x``, at the distances ``places``."""
    for place in places:
        for part, size in (("wheel", radius), ("rim", radius * 0.55)):
            rim = [(x, py, pz) for pz, py in circle(place, radius, size)]
            group.solid(label, part, rim)


def _lamp(towards: bool) -> str:
    return "headlight" if towards else "taillight"


def _flank(
    group: Group, label: int, part: str, x: float, low: float, high: float, z0: float, z1: float
) -> None:
    group.solid(label, part, [(x, low, z0), (x, low, z1), (x, high, z1), (x, high, z0)])


def _visible_flank(camera: Camera, x: float, z: float, half: float) -> float:
    """The lateral place of the flank that the camera sees."""
    middle = x + camera.bend * z * z
    return x + half if middle < 0 else x - half


def car(camera: Camera, dice: Dice, x: float, z: float, towards: bool) -> Group:
    """A car that drives along the road.

    Args:
        camera: The camera.
        dice: Draws size and type.
        x: Lateral place of its middle, metres.
        z: Distance of its near end, metres.
        towards: Whether it comes towards the camera (head lamps instead of tail lamps).
    """
    group = Group(camera, z, foot=(x, 1.9))
    half = dice.real(0.84, 0.98)
    roof = dice.choice((1.38, 1.45, 1.52, 1.75, 1.9))
    length = dice.real(3.8, 4.7)
    belt = 0.62 * roof
    bonnet = 1.25 if towards else dice.choice((0.1, 0.35, 0.8))
    flank = _visible_flank(camera, x, z, half)
    slope = 0.16 if roof < 1.7 else 0.07
    _pair(group, CAR, "wheel", half * 0.95, 0.14, 0.0, 0.5, x)
    group.prism(CAR, "body", "side", box(-half, 0.28, half, belt), x, z, length)
    cabin = [(-half + 0.05, belt), (half - 0.05, belt), (half - slope, roof), (-half + slope, roof)]
    boot = 0.3 if towards else 1.2
    group.prism(CAR, "roof", "roof", cabin, x, z + bonnet, length - bonnet - boot)
    inner = flank + (slope * 0.6 if flank < x else -slope * 0.6)
    for begin, end in ((0.12, 0.48), (0.53, 0.86)):
        span = length - bonnet - 0.9
        _flank(
            group, CAR, "window", inner, belt + 0.04, roof - 0.1,
            z + bonnet + begin * span, z + bonnet + end * span,
        )  # fmt: skip
    glass = [
        (-half + 0.15, belt + 0.05), (half - 0.15, belt + 0.05),
        (half - slope - 0.1, roof - 0.09), (-half + slope + 0.1, roof - 0.09),
    ]  # fmt: skip
    group.flat(CAR, "window", glass, x, z + bonnet)
    _side_wheels(group, CAR, flank, 0.33, [z + 0.75, z + length - 0.85])
    _pair(group, CAR, _lamp(towards), half - 0.2, 0.17, belt - 0.27, belt - 0.07, x)
    group.flat(CAR, "plate", box(-0.26, 0.42, 0.26, 0.55), x)
    group.flat(CAR, "bumper", box(-half, 0.26, half, 0.38), x)
    return group


def car_across(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A car that crosses the view or is parked across: its profile with two wheels."""
    group = Group(camera, z, foot=(x, 4.2))
    flip = dice.sign()
    roof = dice.choice((1.42, 1.5, 1.8))
    body: list[Point2] = [
        (-2.15, 0.3), (2.1, 0.3), (2.15, 0.72), (1.2, 0.9), (0.55, roof), (-1.15, roof),
        (-1.8, 0.95), (-2.15, 0.85),
    ]  # fmt: skip
    group.flat(CAR, "body", body, x, flip=flip)
    front: list[Point2] = [(0.0, 0.95), (0.98, 0.95), (0.5, roof - 0.1), (0.0, roof - 0.1)]
    back: list[Point2] = [(-1.55, 0.95), (-0.1, 0.95), (-0.1, roof - 0.1), (-1.1, roof - 0.1)]
    group.flat(CAR, "window", front, x, flip=flip)
    group.flat(CAR, "window", back, x, flip=flip)
    group.flat(CAR, "headlight", box(1.95, 0.6, 2.15, 0.74), x, flip=flip)
    group.flat(CAR, "taillight", box(-2.15, 0.66, -1.98, 0.84), x, flip=flip)
    for place in (-1.35, 1.35):
        _wheel(group, CAR, x + place, 0.35)
    return group


def bus(camera: Camera, dice: Dice, x: float, z: float, towards: bool) -> Group:
    """A bus: a tall box with a band of windows, a destination sign and wheels."""
    group = Group(camera, z, foot=(x, 2.7))
    half, roof, length = 1.3, dice.choice((3.0, 3.2, 4.1)), dice.real(9.0, 12.0)
    flank = _visible_flank(camera, x, z, half)
    _pair(group, BUS, "wheel", 1.05, 0.18, 0.0, 0.5, x)
    group.prism(BUS, "body", "side", box(-half, 0.35, half, roof), x, z, length)
    decks = (1.45, 2.9) if roof > 4.0 else (1.45,)
    for deck in decks:
        for number in range(6):
            pitch = (length - 0.8) / 6
            begin = z + 0.4 + number * pitch
            end = begin + pitch - 0.22
            _flank(group, BUS, "window", flank, deck, deck + 0.95, begin, end)
        group.flat(BUS, "window", box(-half + 0.18, deck - 0.1, half - 0.18, deck + 0.95), x)
    _side_wheels(group, BUS, flank, 0.5, [z + 2.2, z + length - 2.4])
    group.flat(BUS, "display", box(-0.8, roof - 0.42, 0.8, roof - 0.12), x)
    _pair(group, BUS, _lamp(towards), 1.0, 0.16, 0.6, 0.95, x)
    group.flat(BUS, "bumper", box(-half, 0.35, half, 0.52), x)
    return group


def bus_across(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A bus seen from its side."""
    group = Group(camera, z, foot=(x, 10.0))
    flip = dice.sign()
    group.flat(BUS, "body", box(-5.0, 0.35, 5.0, 3.1), x)
    for number in range(7):
        begin = -4.7 + number * 1.22
        group.flat(BUS, "window", box(begin, 1.4, begin + 1.02, 2.5), x, flip=flip)
    group.flat(BUS, "window", box(4.15, 0.6, 4.95, 2.5), x, flip=flip)
    group.flat(BUS, "stripe", box(-5.0, 0.75, 3.9, 1.0), x, flip=flip)
    for place in (-3.2, 3.0):
        _wheel(group, BUS, x + flip * place, 0.5)
    return group


def truck(camera: Camera, dice: Dice, x: float, z: float, towards: bool) -> Group:
    """A truck: a closed box behind a cab, on big wheels high above the road."""
    group = Group(camera, z, foot=(x, 2.6))
    half, roof, length = 1.28, dice.real(3.2, 3.9), dice.real(5.5, 8.0)
    flank = _visible_flank(camera, x, z, half)
    _pair(group, TRUCK, "wheel", 0.95, 0.3, 0.0, 0.9, x)
    begin = z + 2.0 if towards else z
    if not towards:
        group.prism(TRUCK, "cab", "cab", box(-half + 0.1, 0.5, half - 0.1, 2.6), x, z + length, 2.0)
    group.prism(TRUCK, "box", "boxside", box(-half, 0.95, half, roof), x, begin, length)
    chassis = box(-half + 0.1, 0.6, half - 0.1, 0.95)
    group.prism(TRUCK, "bumper", "bumper", chassis, x, begin, length)
    _side_wheels(group, TRUCK, flank, 0.5, [begin + 0.8, begin + 1.9, begin + length - 0.6])
    if towards:
        group.prism(TRUCK, "cab", "cab", box(-half + 0.05, 0.45, half - 0.05, 2.65), x, z, 1.8)
        group.flat(TRUCK, "window", box(-half + 0.2, 1.55, half - 0.2, 2.45), x)
        group.flat(TRUCK, "grille", box(-0.7, 0.75, 0.7, 1.35), x)
        _side_wheels(group, TRUCK, flank, 0.5, [z + 0.9])
        _pair(group, TRUCK, "headlight", 1.0, 0.16, 0.62, 0.9, x)
    else:
        group.flat(TRUCK, "seam", box(-0.05, 0.95, 0.05, roof), x)
        for side in (-1, 1):
            place = side * 0.62
            group.flat(TRUCK, "seam", box(place - 0.04, 1.1, place + 0.04, roof - 0.1), x)
            group.flat(TRUCK, "taillight", box(side - 0.2, 0.66, side + 0.2, 0.88), x)
    return group


def truck_across(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A truck seen from its side: cab with a window, box, three wheels."""
    group = Group(camera, z, foot=(x, 8.0))
    flip = dice.sign()
    roof = dice.real(3.2, 3.8)
    group.flat(TRUCK, "bumper", box(-4.0, 0.6, 3.8, 0.95), x, flip=flip)
    group.flat(TRUCK, "box", box(-4.0, 0.95, 1.7, roof), x, flip=flip)
    group.flat(TRUCK, "boxside", box(-4.0, roof - 0.25, 1.7, roof), x, flip=flip)
    cab: list[Point2] = [(1.95, 0.6), (4.0, 0.6), (4.0, 1.5), (3.6, 2.7), (1.95, 2.7)]
    group.flat(TRUCK, "cab", cab, x, flip=flip)
    window: list[Point2] = [(2.6, 1.55), (3.8, 1.55), (3.5, 2.45), (2.6, 2.45)]
    group.flat(TRUCK, "window", window, x, flip=flip)
    for place in (-3.2, -2.0, 2.9):
        _wheel(group, TRUCK, x + flip * place, 0.52)
    return group


def trailer(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A small closed trailer parked at the kerb (no class that is trained)."""
    group = Group(camera, z, foot=(x, 1.6))
    group.flat(TRAILER, "wheel", box(-0.8, 0.0, -0.5, 0.5), x)
    group.flat(TRAILER, "wheel", box(0.5, 0.0, 0.8, 0.5), x)
    group.prism(TRAILER, "body", "side", box(-0.8, 0.4, 0.8, dice.real(1.2, 1.9)), x, z, 2.2)
    return group


def tram(camera: Camera, dice: Dice, x: float, z: float, towards: bool) -> Group:
    """A tram: long, high, with chamfered front, one broad windscreen and no wheels to see."""
    group = Group(camera, z, foot=(x, 2.8))
    half, roof, length = 1.32, 3.5, dice.real(18.0, 28.0)
    flank = _visible_flank(camera, x, z, half)
    profile: list[Point2] = [
        (-half, 0.12), (half, 0.12), (half, 2.9), (half - 0.35, roof), (-half + 0.35, roof),
        (-half, 2.9),
    ]  # fmt: skip
    group.prism(TRAIN, "body", "side", profile, x, z, length)
    _flank(group, TRAIN, "skirt", flank, 0.12, 0.7, z, z + length)
    cells = 9
    for number in range(cells):
        begin = z + 0.5 + number * (length - 1.0) / cells
        end = begin + (length - 1.0) / cells - 0.35
        if number % 3 == 1:
            _flank(group, TRAIN, "door", flank, 0.35, 2.75, begin, end)
            _flank(group, TRAIN, "window", flank, 1.2, 2.55, begin + 0.2, end - 0.2)
        else:
            _flank(group, TRAIN, "window", flank, 1.4, 2.6, begin, end)
    group.flat(TRAIN, "skirt", box(-half, 0.12, half, 0.6), x)
    screen: list[Point2] = [
        (-half + 0.12, 1.35), (half - 0.12, 1.35), (half - 0.2, 2.75), (-half + 0.2, 2.75)
    ]  # fmt: skip
    group.flat(TRAIN, "window", screen, x)
    group.flat(TRAIN, "display", box(-0.7, 2.9, 0.7, 3.3), x)
    for place in (-0.9, 0.9):
        group.flat(TRAIN, _lamp(towards), circle(place, 0.95, 0.17), x)
    # the current collector
    arm: list[Point2] = [(-0.08, roof), (0.08, roof), (0.7, roof + 0.7), (0.55, roof + 0.7)]
    group.flat(TRAIN, "collector", arm, x, z + 4.0)
    group.flat(TRAIN, "collector", box(-0.8, roof + 0.66, 0.8, roof + 0.78), x, z + 4.0)
    return group


def tram_across(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A tram that crosses the view, with doors and a sloped nose."""
    group = Group(camera, z, foot=(x, 16.0))
    flip = dice.sign()
    hull: list[Point2] = [
        (-9.0, 0.12), (9.0, 0.12), (9.2, 1.4), (8.4, 3.0), (7.9, 3.5), (-8.8, 3.5), (-9.0, 3.2)
    ]  # fmt: skip
    group.flat(TRAIN, "body", hull, x, flip=flip)
    group.flat(TRAIN, "skirt", box(-9.0, 0.12, 9.05, 0.65), x, flip=flip)
    for number in range(8):
        begin = -8.7 + number * 2.05
        if number % 3 == 1:
            group.flat(TRAIN, "door", box(begin, 0.35, begin + 1.6, 2.8), x, flip=flip)
            group.flat(TRAIN, "window", box(begin + 0.25, 1.2, begin + 1.35, 2.6), x, flip=flip)
        else:
            group.flat(TRAIN, "window", box(begin, 1.4, begin + 1.8, 2.65), x, flip=flip)
    nose: list[Point2] = [(7.9, 1.4), (9.1, 1.4), (8.4, 2.8), (7.9, 2.8)]
    group.flat(TRAIN, "window", nose, x, flip=flip)
    group.flat(TRAIN, "collector", [(-0.5, 3.5), (-0.3, 3.5), (0.6, 4.3), (0.4, 4.3)], x)
    group.flat(TRAIN, "collector", box(-0.4, 4.24, 1.3, 4.36), x)
    return group
