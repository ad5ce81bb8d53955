"""Twelve kinds of objects as polygons: the classes of VisDA-17 in side view."""

from __future__ import annotations

from collections.abc import Callable

from .dice import Dice
from .scene import Point2, box, circle, stroke

# A part's name says what it is made of: "body" and "second" are painted, the others have a
# material of their own.
Part = tuple[str, list[Point2]]
BODY, SECOND, GLASS, RUBBER, METAL, SKIN, LEAF, POT, LAMP = (
    "body", "second", "glass", "rubber", "metal", "skin", "leaf", "pot", "lamp",
)  # fmt: skip


def _wheels(parts: list[Part], places: list[float], y: float, radius: float) -> None:
    for place in places:
        parts.append((RUBBER, circle(place, y, radius)))
        parts.append((METAL, circle(place, y, radius * 0.5)))


def aeroplane(dice: Dice) -> list[Part]:
    """A fuselage with wing, tail and sometimes engines."""
    fat = dice.real(0.11, 0.17)
    nose = dice.real(0.82, 0.98)
    sweep = dice.real(0.15, 0.45)
    parts: list[Part] = [
        (SECOND, [(0.1, 0.05), (-0.12, 0.06), (-0.3 - sweep, 0.5), (-0.1 - sweep, 0.5)]),
        (BODY, [(-0.95, fat), (0.6, fat), (nose, 0.0), (0.6, -fat), (-0.6, -fat)]),
        (BODY, [(-0.9, fat * 0.8), (-0.55, fat), (-0.78, 0.55), (-0.98, 0.55)]),
        (SECOND, [(-0.75, 0.02), (-0.6, 0.02), (-0.9, -0.18), (-1.0, -0.18)]),
    ]
    for i in range(dice.integer(4, 8)):
        parts.append((GLASS, circle(0.5 - 0.13 * i, fat * 0.35, 0.03)))
    parts.append((GLASS, [(0.62, fat * 0.8), (0.78, fat * 0.4), (0.62, fat * 0.2)]))
    parts.append(
        (SECOND, [(0.2, -0.04), (-0.1, -0.05), (-0.4 - sweep, -0.6), (-0.2 - sweep, -0.6)])
    )
    if dice.chance(0.6):
        parts.append((METAL, box(-0.22, -0.34, 0.04, -0.22)))
    return parts


def bicycle(dice: Dice) -> list[Part]:
    """Two thin wheels and a frame of tubes."""
    radius = dice.real(0.36, 0.43)
    tube = dice.real(0.045, 0.07)
    hub = -0.25
    parts: list[Part] = []
    for place in (-0.52, 0.52):
        for i in range(16):
            rim = circle(place, hub, radius)
            parts.append((RUBBER, stroke(rim[i], rim[(i + 1) % 16], 0.06)))
        rim = circle(place, hub, radius)
        for i in range(0, 8, 2):
            parts.append((METAL, stroke(rim[i], rim[i + 8], 0.015)))
    bars = (
        ((-0.52, hub), (-0.06, hub)), ((-0.52, hub), (-0.17, 0.2)), ((-0.06, hub), (-0.22, 0.36)),
        ((-0.06, hub), (0.36, 0.22)), ((-0.18, 0.22), (0.36, 0.28)), ((0.52, hub), (0.32, 0.48)),
    )  # fmt: skip
    parts += [(BODY, stroke(a, b, tube)) for a, b in bars]
    parts.append((RUBBER, box(-0.36, 0.34, -0.08, 0.42)))
    reach = dice.real(0.08, 0.2)
    parts.append((METAL, stroke((0.2, 0.5), (0.32 + reach, 0.5), 0.05)))
    return parts


def bus(dice: Dice) -> list[Part]:
    """A long box with a row of windows."""
    top = dice.real(0.38, 0.6)
    parts: list[Part] = [(BODY, box(-0.98, -0.42, 0.98, top))]
    parts.append((SECOND, box(-0.98, -0.3, 0.98, -0.18)))
    count = dice.integer(5, 7)
    for row in range(2 if top > 0.52 else 1):
        y = top - 0.1 - 0.36 * row
        for i in range(count):
            x = -0.9 + 1.55 * i / count
            parts.append((GLASS, box(x, y - 0.24, x + 1.25 / count, y)))
    parts.append((GLASS, box(0.7, -0.36, 0.9, top - 0.1)))
    _wheels(parts, [-0.6, 0.5], -0.42, 0.15)
    return parts


def car(dice: Dice) -> list[Part]:
    """A low body, a cabin and two wheels."""
    roof = dice.real(0.28, 0.46)
    rear = dice.real(-0.75, -0.4)
    front = dice.real(0.15, 0.35)
    parts: list[Part] = [
        (BODY, [(-0.98, -0.28), (0.98, -0.28), (0.96, -0.02), (0.55, 0.08), (-0.94, 0.1)]),
        (BODY, [(rear - 0.12, 0.05), (rear + 0.1, roof), (front, roof), (front + 0.33, 0.05)]),
        (GLASS, [(rear, 0.08), (rear + 0.13, roof - 0.06), (-0.12, roof - 0.06), (-0.12, 0.08)]),
        (GLASS, [(-0.06, 0.08), (-0.06, roof - 0.06), (front - 0.02, roof - 0.06),
                 (front + 0.23, 0.08)]),
        (SECOND, box(-0.98, -0.28, 0.98, -0.2)),
        (LAMP, box(0.86, -0.1, 0.96, -0.02)),
    ]  # fmt: skip
    _wheels(parts, [-0.58, 0.6], -0.28, dice.real(0.17, 0.22))
    return parts


def horse(dice: Dice) -> list[Part]:
    """A trunk on four legs, a neck, a head and a tail."""
    step = dice.real(0.0, 0.22)
    head = dice.real(-0.15, 0.2)
    parts: list[Part] = [
        (SECOND, stroke((-0.62, 0.15), (-0.9, -0.35), 0.12)),
        (SECOND, stroke((-0.45, -0.1), (-0.4 - step, -0.9), 0.12)),
        (SECOND, stroke((0.38, -0.1), (0.3 + step, -0.9), 0.12)),
        (BODY, circle(-0.42, 0.05, 0.28)),
        (BODY, circle(0.3, 0.08, 0.27)),
        (BODY, box(-0.45, -0.18, 0.32, 0.3)),
        (BODY, stroke((-0.52, -0.05), (-0.62 + step, -0.92), 0.15)),
        (BODY, stroke((0.36, -0.05), (0.48 - step, -0.92), 0.15)),
        (BODY, [(0.12, 0.3), (0.48, -0.02), (0.78, 0.62 + head), (0.5, 0.74 + head)]),
        (BODY, stroke((0.56, 0.68 + head), (0.95, 0.4 + head), 0.2)),
        (BODY, [(0.54, 0.7 + head), (0.66, 0.7 + head), (0.6, 0.92 + head)]),
        (SECOND, stroke((0.16, 0.34), (0.5, 0.76 + head), 0.1)),
    ]
    return parts


def knife(dice: Dice) -> list[Part]:
    """A blade with a handle."""
    wide = dice.real(0.12, 0.26)
    grip = dice.real(-0.35, -0.1)
    belly = dice.real(0.4, 0.75)
    parts: list[Part] = [
        (METAL, [(grip, wide * 0.6), (0.98, wide * 0.6), (belly, -wide * 0.6), (grip, -wide)]),
        (BODY, [(-0.98, 0.1), (grip, 0.12), (grip, -0.14), (-0.9, -0.18), (-1.0, -0.1)]),
    ]
    if dice.chance(0.6):
        for i in range(3):
            parts.append((LAMP, circle(-0.85 + (grip + 0.75) * i / 3.0, -0.02, 0.03)))
    return parts


def motorcycle(dice: Dice) -> list[Part]:
    """Two thick wheels close together, tank, seat and fork."""
    radius = dice.real(0.32, 0.38)
    parts: list[Part] = []
    for place in (-0.6, 0.6):
        parts.append((RUBBER, circle(place, -0.38, radius)))
        parts.append((METAL, circle(place, -0.38, radius * 0.6)))
        parts.append((RUBBER, circle(place, -0.38, radius * 0.2)))
    parts += [
        (METAL, box(-0.3, -0.5, 0.3, -0.08)),
        (METAL, stroke((-0.95, -0.44), (0.0, -0.5), 0.1)),
        (
            BODY,
            [(-0.85, 0.02), (-0.3, -0.2), (0.3, -0.2), (0.45, 0.15), (0.3, 0.32), (-0.05, 0.25)],
        ),
        (RUBBER, [(-0.9, 0.08), (-0.1, 0.06), (-0.12, 0.2), (-0.92, 0.26)]),
        (SECOND, stroke((0.6, -0.38), (0.36, 0.45), 0.1)),
        (RUBBER, stroke((0.12, 0.52), (0.42, 0.46), 0.08)),
        (LAMP, circle(0.5, 0.3, 0.1)),
        (SECOND, [(0.28, 0.02), (0.86, -0.02), (0.78, 0.06), (0.3, 0.1)]),
    ]
    if dice.chance(0.5):
        parts.append((SECOND, [(0.4, 0.4), (0.56, 0.4), (0.38, 0.75), (0.3, 0.7)]))
    return parts


def person(dice: Dice) -> list[Part]:
    """Somebody standing or walking."""
    step = dice.real(0.0, 0.26)
    swing = dice.real(0.04, 0.3)
    return [
        (SECOND, stroke((0.08, -0.1), (0.08 + step, -0.92), 0.18)),
        (SECOND, stroke((-0.08, -0.1), (-0.08 - step, -0.92), 0.18)),
        (RUBBER, box(step, -0.99, 0.24 + step, -0.9)),
        (RUBBER, box(-0.14 - step, -0.99, 0.08 - step, -0.9)),
        (BODY, stroke((-0.2, 0.46), (-0.26 - swing, -0.1), 0.13)),
        (BODY, [(-0.2, -0.16), (0.2, -0.16), (0.27, 0.52), (-0.27, 0.52)]),
        (BODY, stroke((0.2, 0.46), (0.26 + swing, -0.1), 0.13)),
        (SKIN, circle(0.27 + swing, -0.14, 0.07)),
        (SKIN, circle(-0.27 - swing, -0.14, 0.07)),
        (SKIN, box(-0.07, 0.5, 0.07, 0.64)),
        (RUBBER, circle(-0.02, 0.79, 0.18)),
        (SKIN, circle(0.03, 0.75, 0.15)),
    ]


def plant(dice: Dice) -> list[Part]:
    """Leaves out of a pot."""
    parts: list[Part] = []
    for _ in range(dice.integer(7, 12)):
        x, y = dice.real(-0.75, 0.75), dice.real(0.0, 0.9)
        mid = (x * 0.55, y * 0.7)
        side = dice.real(0.08, 0.16)
        leaf = [(0.0, -0.4), (mid[0] - side, mid[1]), (x, y), (mid[0] + side, mid[1] - side * 0.5)]
        parts.append((LEAF, leaf))
    wide = dice.real(0.26, 0.4)
    parts.append((POT, [(-wide, -0.35), (wide, -0.35), (wide * 0.7, -0.98), (-wide * 0.7, -0.98)]))
    parts.append((POT, box(-wide - 0.06, -0.44, wide + 0.06, -0.3)))
    return parts


def skateboard(dice: Dice) -> list[Part]:
    """A thin deck with bent ends on four small wheels."""
    thick = dice.real(0.07, 0.11)
    kick = dice.real(0.1, 0.22)
    deck = [
        (-0.98, kick), (-0.72, 0.0), (0.72, 0.0), (0.98, kick), (0.98, kick - thick),
        (0.72, -thick), (-0.72, -thick), (-0.98, kick - thick),
    ]  # fmt: skip
    parts: list[Part] = [(BODY, deck)]
    for place in (-0.52, 0.52):
        parts.append((METAL, box(place - 0.1, -thick - 0.1, place + 0.1, -thick)))
        parts.append((SECOND, circle(place - 0.07, -thick - 0.14, 0.1)))
        parts.append((SECOND, circle(place + 0.09, -thick - 0.14, 0.1)))
    return parts


def train(dice: Dice) -> list[Part]:
    """A railway engine with a slanted nose, on rails."""
    top = dice.real(0.3, 0.45)
    slant = dice.real(0.1, 0.4)
    parts: list[Part] = [
        (METAL, box(-1.0, -0.58, 1.0, -0.5)),
        (BODY, [(-1.0, -0.36), (0.98, -0.36), (0.98, -0.05), (0.98 - slant, top), (-1.0, top)]),
        (SECOND, box(-1.0, -0.24, 0.94, -0.1)),
        (RUBBER, box(-0.9, -0.5, 0.8, -0.36)),
        (GLASS, [(0.72 - slant, 0.02), (0.92 - slant * 0.4, 0.02), (0.9 - slant, top - 0.06),
                 (0.72 - slant, top - 0.06)]),
    ]  # fmt: skip
    for i in range(3):
        parts.append((GLASS, box(-0.9 + 0.42 * i, 0.05, -0.65 + 0.42 * i, top - 0.1)))
    for i in range(6):
        parts.append((METAL, circle(-0.82 + 0.29 * i, -0.45, 0.09)))
    if dice.chance(0.6):
        parts.append((METAL, stroke((-0.4, top), (-0.1, top + 0.24), 0.04)))
        parts.append((METAL, stroke((-0.1, top + 0.24), (-0.4, top + 0.36), 0.04)))
    return parts


def truck(dice: Dice) -> list[Part]:
    """A cab and a separate cargo box."""
    top = dice.real(0.4, 0.62)
    gap = dice.real(0.36, 0.46)
    parts: list[Part] = [
        (RUBBER, box(-0.95, -0.42, 0.9, -0.28)),
        (SECOND, box(-0.98, -0.3, gap, top)),
        (BODY, [(gap + 0.07, -0.4), (0.98, -0.4), (0.98, -0.02), (0.84, 0.3), (gap + 0.07, 0.32)]),
        (GLASS, [(gap + 0.25, -0.02), (0.92, -0.02), (0.8, 0.24), (gap + 0.25, 0.24)]),
        (LAMP, box(0.9, -0.26, 0.98, -0.16)),
    ]
    _wheels(parts, [-0.75, -0.42, 0.68], -0.44, dice.real(0.15, 0.18))
    return parts


#: In the order of VisDA's class indices.
SHAPES: tuple[Callable[[Dice], list[Part]], ...] = (
    aeroplane, bicycle, bus, car, horse, knife,
    motorcycle, person, plant, skateboard, train, truck,
)  # fmt: skip
