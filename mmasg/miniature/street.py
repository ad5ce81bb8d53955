"""What stands beside a road: poles, lights, signs, trees, bins, and the fronts along the street."""

from __future__ import annotations

from .classes import (
    BRIDGE,
    BUILDING,
    DYNAMIC,
    FENCE,
    GUARD_RAIL,
    POLE,
    STATIC,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
    VEGETATION,
    WALL,
)
from .dice import Dice
from .scene import Camera, Group, Point2, box, circle


def lamp_post(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A street lamp: a tall pole with an arm towards the road."""
    group = Group(camera, z, foot=(x, 0.3))
    top = dice.real(5.0, 8.0)
    group.flat(POLE, "post", box(-0.13, 0.0, 0.13, top), x)
    if dice.chance(0.7):
        flip = -1 if x > 0 else 1
        group.flat(POLE, "post", box(0.0, top - 0.16, 1.9, top), x, flip=flip)
        group.flat(POLE, "lamp", box(1.4, top - 0.3, 2.2, top - 0.1), x, flip=flip)
    return group


def bollards(camera: Camera, dice: Dice, x: float, z: float) -> list[Group]:
    """A row of short posts along a kerb."""
    row = []
    for number in range(dice.integer(3, 6)):
        group = Group(camera, z + number * 1.8, foot=(x, 0.3))
        group.flat(POLE, "post", box(-0.11, 0.0, 0.11, 1.0), x)
        group.flat(POLE, "lamp", box(-0.11, 0.75, 0.11, 0.88), x)
        row.append(group)
    return row


def traffic_light(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A pole with a box of three lamps, sometimes a second one above the road."""
    group = Group(camera, z, foot=(x, 0.3))
    top = dice.real(2.7, 3.8)
    boxes = [(0.0, top)]
    if dice.chance(0.4):
        group.flat(POLE, "post", box(-0.12, 0.0, 0.12, 5.4), x)
        flip = -1 if x > 0 else 1
        group.flat(POLE, "post", box(0.0, 5.2, 3.0, 5.36), x, flip=flip)
        boxes.append((flip * 2.8, 5.5))
    else:
        group.flat(POLE, "post", box(-0.12, 0.0, 0.12, top), x)
    lit = dice.integer(0, 2)
    names = ("red", "amber", "green")
    for place, high in boxes:
        group.flat(TRAFFIC_LIGHT, "box", box(place - 0.3, high - 1.35, place + 0.3, high), x)
        for number, name in enumerate(names):
            part = f"lamp_{name}" if number == lit else "lamp_off"
            lamp = circle(place, high - 0.27 - 0.4 * number, 0.17)
            group.flat(TRAFFIC_LIGHT, part, lamp, x)
    return group


def _sign_shape(dice: Dice) -> tuple[list[Point2], list[Point2], str]:
    kind = dice.integer(0, 4)
    if kind == 0:
        return circle(0.0, 0.0, 0.48), circle(0.0, 0.0, 0.34), "sign_white"
    if kind == 1:
        triangle: list[Point2] = [(-0.55, -0.4), (0.55, -0.4), (0.0, 0.55)]
        return triangle, [(-0.32, -0.27), (0.32, -0.27), (0.0, 0.3)], "sign_white"
    if kind == 2:
        arrow: list[Point2] = [(-0.25, -0.3), (0.25, -0.3), (0.0, 0.32)]
        return box(-0.45, -0.45, 0.45, 0.45), arrow, "sign_white"
    if kind == 3:
        return box(-0.9, -0.42, 0.9, 0.42), box(-0.65, -0.1, 0.65, 0.1), "sign_white"
    diamond: list[Point2] = [(0.0, -0.6), (0.6, 0.0), (0.0, 0.6), (-0.6, 0.0)]
    return diamond, [(0.0, -0.35), (0.35, 0.0), (0.0, 0.35), (-0.35, 0.0)], "sign_yellow"


def traffic_sign(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """One or two signs on a pole; circles, triangles, squares, boards and diamonds."""
    group = Group(camera, z, foot=(x, 0.3))
    top = dice.real(2.2, 3.0)
    group.flat(POLE, "post", box(-0.1, 0.0, 0.1, top + 0.4), x)
    for number in range(2 if dice.chance(0.35) else 1):
        border, face, part = _sign_shape(dice)
        shift = top - 1.25 * number
        group.flat(TRAFFIC_SIGN, "sign", [(px, py + shift) for px, py in border], x)
        group.flat(TRAFFIC_SIGN, part, [(px, py + shift) for px, py in face], x)
    return group


def _crown(group: Group, dice: Dice, x: float, y: float, width: float, height: float) -> None:
    for number in range(dice.integer(5, 8)):
        dx = dice.real(-0.6, 0.6) * width
        dy = dice.real(-0.55, 0.55) * height
        radius = dice.real(0.4, 0.62) * width
        blob = [
            (px * dice.real(0.86, 1.12), py * dice.real(0.86, 1.12))
            for px, py in circle(0.0, 0.0, radius, height / width)
        ]
        part = ("crown", "crown_dark", "crown_light")[number % 3]
        group.flat(VEGETATION, part, [(px + dx, py + dy + y) for px, py in blob], x)


def tree(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A tree: trunk and crown, both vegetation as in Cityscapes."""
    group = Group(camera, z, foot=(x, 3.0))
    top = dice.real(4.2, 7.5)
    width = dice.real(1.3, 2.4)
    trunk: list[Point2] = [(-0.22, 0.0), (0.22, 0.0), (0.14, top), (-0.14, top)]
    group.flat(VEGETATION, "trunk", trunk, x)
    _crown(group, dice, x, top, width, dice.real(1.4, 2.4))
    return group


def bush(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A bush of about a metre."""
    group = Group(camera, z, foot=(x, 1.8))
    _crown(group, dice, x, 0.5, dice.real(0.8, 1.6), dice.real(0.7, 1.2))
    return group


def bin_or_box(camera: Camera, dice: Dice, x: float, z: float) -> Group:
    """A bin, a box or an advertising column (label static), or a cart (label dynamic)."""
    group = Group(camera, z, foot=(x, 0.8))
    kind = dice.integer(0, 3)
    if kind == 0:
        group.flat(STATIC, "body", [(-0.3, 0.0), (0.3, 0.0), (0.36, 1.0), (-0.36, 1.0)], x)
        group.flat(STATIC, "roof", box(-0.4, 0.95, 0.4, 1.1), x)
    elif kind == 1:
        group.prism(STATIC, "body", "side", box(-0.5, 0.0, 0.5, 1.3), x, z, 0.6)
    elif kind == 2:
        group.flat(STATIC, "body", box(-0.6, 0.0, 0.6, 2.6), x)
        group.flat(STATIC, "roof", box(-0.75, 2.6, 0.75, 2.85), x)
    else:
        group.flat(DYNAMIC, "body", box(-0.45, 0.35, 0.45, 0.9), x)
        group.flat(DYNAMIC, "wheel", circle(-0.3, 0.15, 0.15), x)
        group.flat(DYNAMIC, "wheel", circle(0.3, 0.15, 0.15), x)
    return group


def bridge(camera: Camera, dice: Dice, z: float) -> Group:
    """A bridge across the road."""
    group = Group(camera, z)
    low = dice.real(5.0, 6.5)
    group.flat(BRIDGE, "side", box(-40.0, low, 40.0, low + 1.6), 0.0)
    group.flat(BRIDGE, "body", box(-40.0, low + 1.3, 40.0, low + 2.3), 0.0)
    return group


class Front:
    """Draws things that stand along the street, from ``z0`` to ``z1`` at lateral place ``x``.

    Args:
        camera: The camera.
        dice: Draws the details.
        x: Lateral place; its sign says on which side of the road it is.
        z0: Near end, metres.
        z1: Far end, metres.
    """

    def __init__(self, camera: Camera, dice: Dice, x: float, z0: float, z1: float) -> None:
        # Whatever stands on the pavement beside a front is nearer to the road's middle, hence never
        # behind it: sorting by the far end draws it afterwards.
        self.group = Group(camera, z1 - 0.01)
        self.dice, self.x, self.z0, self.z1 = dice, x, z0, z1
        self.out = 1 if x > 0 else -1

    def _panel(self, label: int, part: str, low: float, high: float, z0: float, z1: float) -> None:
        x = self.x
        points = [(x, low, z0), (x, low, z1), (x, high, z1), (x, high, z0)]
        self.group.solid(label, part, points)

    def _end(self, label: int, part: str, high: float, thick: float) -> None:
        """The end that faces the camera."""
        edge = self.x + self.out * thick
        self.group.flat(
            label, part, box(min(self.x, edge), 0.0, max(self.x, edge), high), 0.0, self.z0
        )

    def building(self) -> Group:
        """A house with rows of windows, a ground floor with doors or shop windows, a cornice."""
        dice = self.dice
        floors = dice.integer(2, 6)
        ground = dice.real(3.2, 4.2)
        storey = dice.real(2.7, 3.3)
        high = ground + floors * storey
        self._end(BUILDING, "end", high, 14.0)
        self._panel(BUILDING, "body", 0.0, high, self.z0, self.z1)
        self._panel(BUILDING, "cornice", high - 0.5, high, self.z0, self.z1)
        pitch = dice.real(2.4, 3.6)
        columns = max(1, int((self.z1 - self.z0) / pitch))
        pitch = (self.z1 - self.z0) / columns
        wide = dice.real(0.4, 0.65) * pitch
        for column in range(columns):
            begin = self.z0 + column * pitch + (pitch - wide) / 2
            for floor in range(floors):
                low = ground + floor * storey + 0.7
                if self._visible(low, begin):
                    self._panel(BUILDING, "window", low, low + storey - 1.2, begin, begin + wide)
            if dice.chance(0.3):
                self._panel(BUILDING, "door", 0.0, 2.4, begin + 0.2 * wide, begin + 0.8 * wide)
            else:
                self._panel(BUILDING, "window", 0.9, 2.7, begin - 0.1 * wide, begin + 1.1 * wide)
        if dice.chance(0.4):
            self._panel(BUILDING, "awning", 2.8, 3.3, self.z0, self.z1)
        # windows of the end that faces the camera
        for floor in range(floors):
            low = ground + floor * storey + 0.7
            if self._visible(low, self.z0):
                for column in range(3):
                    middle = self.x + self.out * (2.0 + 3.2 * column)
                    window = box(middle - 0.6, low, middle + 0.6, low + 1.4)
                    self.group.flat(BUILDING, "window", window, 0.0, self.z0)
        return self.group

    def _visible(self, low: float, z: float) -> bool:
        """Whether something at this height may be below the frame's upper edge."""
        camera = self.group.camera
        return camera.horizon + (camera.height - low) * camera.focal / (z + 4.0) > 0

    def wall(self) -> Group:
        """A garden wall with a coping."""
        high = self.dice.real(1.8, 3.0)
        self._end(WALL, "end", high, 0.5)
        self._panel(WALL, "body", 0.0, high, self.z0, self.z1)
        self._panel(WALL, "coping", high - 0.22, high, self.z0, self.z1)
        return self.group

    def fence(self) -> Group:
        """Posts, rails and a net; labelled as a whole, as Cityscapes does."""
        dice = self.dice
        high = dice.real(1.4, 2.4)
        self._panel(FENCE, "net", 0.0, high, self.z0, self.z1)
        for low in (0.2, high * 0.5, high - 0.16):
            self._panel(FENCE, "bar", low, low + 0.15, self.z0, self.z1)
        pitch = dice.real(0.6, 1.1)
        for number in range(int((self.z1 - self.z0) / pitch) + 1):
            begin = self.z0 + number * pitch
            self._panel(FENCE, "bar", 0.0, high + 0.1, begin, begin + 0.16)
        return self.group

    def guard_rail(self) -> Group:
        """A crash barrier (no class that is trained)."""
        for number in range(int((self.z1 - self.z0) / 3.0) + 1):
            begin = self.z0 + number * 3.0
            self._panel(GUARD_RAIL, "post", 0.0, 0.6, begin, begin + 0.15)
        self._panel(GUARD_RAIL, "body", 0.45, 0.85, self.z0, self.z1)
        return self.group

    def hedge(self) -> Group:
        """A cut hedge."""
        high = self.dice.real(1.2, 2.6)
        self._end(VEGETATION, "crown_dark", high, 1.2)
        self._panel(VEGETATION, "crown", 0.0, high, self.z0, self.z1)
        self._panel(VEGETATION, "crown_light", high - 0.3, high, self.z0, self.z1)
        return self.group
