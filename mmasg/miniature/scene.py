"""A scene as a list of flat polygons, from the farthest to the nearest, and its camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

WIDTH, HEIGHT = 512, 256

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]

# Cosine and sine of a circle's 16 corners times 4096. A table, because the last bit of a machine's
# cos() is its own affair.
_CIRCLE = (
    (4096, 0), (3784, 1567), (2896, 2896), (1567, 3784), (0, 4096), (-1567, 3784),
    (-2896, 2896), (-3784, 1567), (-4096, 0), (-3784, -1567), (-2896, -2896), (-1567, -3784),
    (0, -4096), (1567, -3784), (2896, -2896), (3784, -1567),
)  # fmt: skip


def circle(x: float, y: float, radius: float, stretch: float = 1.0) -> list[Point2]:
    """The 16 corners of a circle; ``stretch`` scales its height."""
    return [(x + radius * c / 4096.0, y + radius * stretch * s / 4096.0) for c, s in _CIRCLE]


def box(x0: float, y0: float, x1: float, y1: float) -> list[Point2]:
    """The corners of an upright rectangle."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def stroke(start: Point2, end: Point2, width: float) -> list[Point2]:
    """The corners of a straight line of the given width."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    if length == 0.0:
        raise ValueError(f"A stroke needs two different ends, got {start} twice.")
    nx, ny = -dy / length * width / 2, dx / length * width / 2
    return [
        (start[0] + nx, start[1] + ny),
        (end[0] + nx, end[1] + ny),
        (end[0] - nx, end[1] - ny),
        (start[0] - nx, start[1] - ny),
    ]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above a flat ground, looking along a road that may bend.

    Lengths are metres: ``x`` to the right, ``y`` up, ``z`` ahead. ``focal``, ``horizon`` and
    ``centre`` are pixels. ``bend`` shifts what is at distance ``z`` sideways by ``bend * z**2``.
    """

    focal: float = 300.0
    height: float = 1.5
    horizon: float = 112.0
    centre: float = 256.0
    bend: float = 0.0

    def project(self, points: Iterable[Point3]) -> np.ndarray:
        """World points to pixels.

        Args:
            points: Points with ``z > 0``.

        Returns:
            Array (N, 2) of int32, x right and y down; points may lie outside of the frame.
        """
        pixels = []
        for x, y, z in points:
            scale = self.focal / z
            column = self.centre + (x + self.bend * z * z) * scale
            row = self.horizon + (self.height - y) * scale
            # far outside of the frame nothing depends on the exact place, and OpenCV's fixed
            # point numbers end at 2**15
            pixels.append((_whole(column), _whole(row)))
        return np.array(pixels, dtype=np.int32)


def _whole(value: float) -> int:
    return int(min(max(value, -8000.0), 8000.0) + 8000.5) - 8000


@dataclass(frozen=True)
class Polygon:
    """One flat piece of a scene.

    Attributes:
        points: (N, 2) int32 pixels.
        label: Cityscapes label id.
        part: What it is of its object ('body', 'window', 'wheel', ...); renderers colour by it.
        thing: Index of its object in the frame; pieces of one object share colours.
        depth: Distance in metres (of the object's near side).
    """

    points: np.ndarray
    label: int
    part: str
    thing: int
    depth: float


@dataclass
class Group:
    """Pieces drawn together at one distance: an object, or a rider with the bicycle."""

    camera: Camera
    depth: float
    pieces: list[tuple[np.ndarray, int, str]] = field(default_factory=list)
    foot: tuple[float, float] | None = None

    def solid(self, label: int, part: str, points: Iterable[Point3]) -> None:
        """Add a polygon given in world coordinates."""
        self.pieces.append((self.camera.project(points), label, part))

    def flat(
        self,
        label: int,
        part: str,
        points: Iterable[Point2],
        x: float,
        z: float | None = None,
        flip: int = 1,
    ) -> None:
        """Add a polygon in an upright plane that faces the camera.

        Args:
            label: Cityscapes label id.
            part: Name of the part.
            points: Metres relative to ``(x, 0)``.
            x: Lateral place in metres.
            z: Distance of the plane; the group's depth by default.
            flip: -1 mirrors the points.
        """
        depth = self.depth if z is None else z
        self.solid(label, part, [(x + flip * px, py, depth) for px, py in points])

    def prism(
        self,
        label: int,
        front: str,
        side: str,
        profile: Sequence[Point2],
        x: float,
        z: float,
        length: float,
    ) -> None:
        """Add a convex profile that reaches from ``z`` to ``z + length``: sides, then front."""
        near = self.camera.project([(x + px, py, z) for px, py in profile])
        far = self.camera.project([(x + px, py, z + length) for px, py in profile])
        hull = cv2.convexHull(np.concatenate([near, far])).reshape(-1, 2)
        self.pieces.append((hull, label, side))
        self.pieces.append((near, label, front))


@dataclass
class Scene:
    """Everything that a renderer needs to know of one frame.

    Attributes:
        camera: The camera.
        polygons: Pieces from the farthest to the nearest.
        shadows: Per object on the ground: (x, width, z) in metres. Only light uses them.
        hidden: (N, 2) pixel polygons whose pixels are labelled "out of roi" without being drawn.
    """

    camera: Camera
    polygons: list[Polygon]
    shadows: list[tuple[float, float, float]]
    hidden: list[np.ndarray]

    @property
    def things(self) -> int:
        """Number of objects."""
        return 1 + max(polygon.thing for polygon in self.polygons)


def flatten(camera: Camera, groups: Sequence[Group]) -> Scene:
    """Sort groups by distance and number their objects.

    Args:
        camera: The camera.
        groups: In any order; equal distances keep theirs.
    """
    polygons: list[Polygon] = []
    shadows = []
    thing = -1
    for group in sorted(groups, key=lambda g: -g.depth):
        seen: dict[int, int] = {}
        for points, label, part in group.pieces:
            if label not in seen:
                thing += 1
                seen[label] = thing
            polygons.append(Polygon(points, label, part, seen[label], group.depth))
        if group.foot is not None:
            shadows.append((group.foot[0], group.foot[1], group.depth))
    return Scene(camera, polygons, shadows, [])
