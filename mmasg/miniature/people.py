"""Pedestrians, riders, bicycles and motorcycles."""

from __future__ import annotations

from .classes import BICYCLE, MOTORCYCLE, PERSON, RIDER
from .dice import Dice
from .scene import Camera, Group, Point2, box, circle, stroke


def person(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A pedestrian of 1.2 to 1.9 m, walking or standing, sometimes with a bag or a skirt."""
    group = Group(camera, z, foot=(x, 0.7))
    size = dice.choice((1.2, 1.6, 1.68, 1.75, 1.82, 1.9)) / 1.75
    flip = dice.sign()
    step = dice.real(0.0, 0.32)
    swing = dice.real(0.0, 0.28)

    def add(part: str, points: list[Point2]) -> None:
        scaled = [(px * size, py * size) for px, py in points]
        group.flat(PERSON, part, scaled, x, flip=flip)

    add("legs", stroke((0.05, 0.88), (0.06 + step, 0.08), 0.19))
    add("legs", stroke((-0.05, 0.88), (-0.08 - step, 0.08), 0.19))
    add("shoes", box(0.0 + step, 0.0, 0.24 + step, 0.1))
    add("shoes", box(-0.14 - step, 0.0, 0.1 - step, 0.1))
    add("arms", stroke((-0.2, 1.38), (-0.26 - swing, 0.82), 0.13))
    if dice.chance(0.25):
        add("skirt", [(-0.2, 0.95), (0.2, 0.95), (0.3, 0.5), (-0.3, 0.5)])
    add("torso", [(-0.21, 0.82), (0.21, 0.82), (0.27, 1.45), (-0.27, 1.45)])
    add("arms", stroke((0.2, 1.38), (0.26 + swing, 0.82), 0.13))
    add("skin", circle(0.26 + swing, 0.8, 0.07))
    add("skin", box(-0.06, 1.42, 0.06, 1.53))
    add("hair", circle(-0.02, 1.64, 0.155))
    add("skin", circle(0.03, 1.6, 0.125))
    bag = dice.real()
    if bag < 0.2:
        add("bag", box(-0.42, 0.95, -0.2, 1.42))
    elif bag < 0.4:
        add("bag", box(0.2, 0.5, 0.46, 0.8))
    return group


def _bicycle_side(group: Group, x: float, flip: int) -> None:
    for place in (-0.54, 0.54):
        group.flat(BICYCLE, "wheel", circle(place, 0.36, 0.37), x, flip=flip)
        group.flat(BICYCLE, "spokes", circle(place, 0.36, 0.27), x, flip=flip)
        group.flat(BICYCLE, "wheel", circle(place, 0.36, 0.07), x, flip=flip)
    bars: tuple[tuple[Point2, Point2], ...] = (
        ((-0.54, 0.36), (-0.1, 0.34)),
        ((-0.54, 0.36), (-0.2, 0.88)),
        ((-0.1, 0.34), (-0.24, 0.98)),
        ((-0.1, 0.34), (0.36, 0.86)),
        ((-0.2, 0.84), (0.36, 0.88)),
        ((0.54, 0.36), (0.33, 1.08)),
        ((0.2, 1.08), (0.44, 1.1)),
    )
    for start, end in bars:
        group.flat(BICYCLE, "frame", stroke(start, end, 0.085), x, flip=flip)
    group.flat(BICYCLE, "seat", box(-0.38, 0.97, -0.1, 1.05), x, flip=flip)


def _bicycle_along(group: Group, x: float) -> None:
    group.flat(BICYCLE, "wheel", box(-0.07, 0.0, 0.07, 0.72), x)
    group.flat(BICYCLE, "frame", box(-0.05, 0.6, 0.05, 1.0), x)
    group.flat(BICYCLE, "frame", box(-0.32, 0.98, 0.32, 1.07), x)
    group.flat(BICYCLE, "seat", box(-0.14, 0.9, 0.14, 0.99), x)


def _motorcycle_side(group: Group, x: float, flip: int) -> None:
    for place in (-0.72, 0.72):
        group.flat(MOTORCYCLE, "wheel", circle(place, 0.35, 0.37), x, flip=flip)
        group.flat(MOTORCYCLE, "rim", circle(place, 0.35, 0.19), x, flip=flip)
    body: list[Point2] = [
        (-0.9, 0.72), (-0.45, 0.42), (0.3, 0.34), (0.5, 0.7), (0.42, 1.02), (0.05, 1.0),
        (-0.2, 0.84), (-0.95, 0.9),
    ]  # fmt: skip
    group.flat(MOTORCYCLE, "engine", box(-0.35, 0.2, 0.35, 0.62), x, flip=flip)
    group.flat(MOTORCYCLE, "body", body, x, flip=flip)
    group.flat(MOTORCYCLE, "frame", stroke((0.72, 0.35), (0.42, 1.1), 0.11), x, flip=flip)
    group.flat(MOTORCYCLE, "frame", stroke((-0.95, 0.33), (0.0, 0.25), 0.12), x, flip=flip)
    group.flat(MOTORCYCLE, "frame", stroke((0.2, 1.14), (0.5, 1.12), 0.09), x, flip=flip)
    group.flat(MOTORCYCLE, "seat", box(-0.8, 0.84, -0.05, 0.97), x, flip=flip)
    group.flat(MOTORCYCLE, "headlight", circle(0.58, 0.93, 0.12), x, flip=flip)


def _motorcycle_along(group: Group, x: float, towards: bool) -> None:
    group.flat(MOTORCYCLE, "wheel", box(-0.12, 0.0, 0.12, 0.66), x)
    group.flat(MOTORCYCLE, "body", [(-0.26, 0.45), (0.26, 0.45), (0.2, 1.05), (-0.2, 1.05)], x)
    group.flat(MOTORCYCLE, "frame", box(-0.45, 1.05, 0.45, 1.15), x)
    for side in (-1, 1):
        group.flat(MOTORCYCLE, "mirror", circle(side * 0.42, 1.25, 0.09), x)
    group.flat(MOTORCYCLE, "headlight" if towards else "taillight", circle(0.0, 0.9, 0.13), x)


def _rider_side(group: Group, x: float, flip: int, lean: float, hip: float, helmet: float) -> None:
    neck = (lean, hip + 0.52)
    hand = (0.36, 1.12)
    knee = (0.22, hip - 0.22)
    parts: list[tuple[str, list[Point2]]] = [
        ("legs", stroke((-0.2, hip), knee, 0.19)),
        ("legs", stroke(knee, (-0.02, 0.22), 0.16)),
        ("shoes", box(-0.1, 0.14, 0.18, 0.26)),
        ("torso", stroke((-0.24, hip - 0.05), neck, 0.36)),
        ("arms", stroke((neck[0] - 0.02, neck[1] - 0.08), hand, 0.13)),
        ("skin", circle(hand[0], hand[1], 0.07)),
        ("helmet", circle(neck[0] + 0.07, neck[1] + 0.19, helmet)),
        ("skin", circle(neck[0] + 0.13, neck[1] + 0.14, 0.085)),
    ]
    for part, points in parts:
        group.flat(RIDER, part, points, x, flip=flip)


def _rider_along(group: Group, x: float, towards: bool) -> None:
    for side in (-1, 1):
        group.flat(RIDER, "legs", stroke((side * 0.12, 1.0), (side * 0.25, 0.6), 0.18), x)
        group.flat(RIDER, "legs", stroke((side * 0.25, 0.6), (side * 0.17, 0.25), 0.15), x)
        group.flat(RIDER, "shoes", box(side * 0.17 - 0.08, 0.17, side * 0.17 + 0.08, 0.3), x)
    group.flat(RIDER, "torso", [(-0.2, 0.9), (0.2, 0.9), (0.28, 1.5), (-0.28, 1.5)], x)
    for side in (-1, 1):
        group.flat(RIDER, "arms", stroke((side * 0.25, 1.45), (side * 0.42, 1.1), 0.13), x)
    group.flat(RIDER, "helmet", circle(0.0, 1.68, 0.17), x)
    if towards:
        group.flat(RIDER, "skin", circle(0.0, 1.62, 0.1), x)


def cyclist(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A rider (class rider) on a bicycle (class bicycle)."""
    group = Group(camera, z, foot=(x, 1.4))
    if dice.chance(0.7):
        flip = dice.sign()
        _bicycle_side(group, x, flip)
        _rider_side(group, x, flip, dice.real(-0.08, 0.16), 1.03, 0.16)
    else:
        _bicycle_along(group, x)
        _rider_along(group, x, dice.chance(0.5))
    return group


def motorcyclist(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A rider (class rider) on a motorcycle (class motorcycle)."""
    group = Group(camera, z, foot=(x, 1.8))
    if dice.chance(0.65):
        flip = dice.sign()
        _motorcycle_side(group, x, flip)
        _rider_side(group, x, flip, dice.real(-0.12, 0.1), 0.98, 0.18)
    else:
        towards = dice.chance(0.5)
        _rider_along(group, x, towards)
        _motorcycle_along(group, x, towards)
    return group


def parked_bicycle(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A bicycle without a rider, seen from its side."""
    group = Group(camera, z, foot=(x, 1.4))
    _bicycle_side(group, x, dice.sign())
    return group


def parked_motorcycle(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A motorcycle without a rider, mostly seen from its side."""
    group = Group(camera, z, foot=(x, 1.8))
    if dice.chance(0.8):
        _motorcycle_side(group, x, dice.sign())
    else:
        _motorcycle_along(group, x, dice.chance(0.5))
    return group
