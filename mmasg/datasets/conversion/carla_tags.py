"""CARLA's semantic tags: both numberings, the colours, and what a folder of labels holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmasg.datasets.label_values import Colour
from mmasg.errors import wrong
from mmasg.files.sound_pair import decode, lossy_format, open_picture

# Tags of 0.9.14 and later (the first 19 in Cityscapes' order). Up to 0.9.9 there were 13 tags,
# to which 0.9.10 added ten more without changing the first.
OLD, NEW = "carla_0.9.10", "carla_0.9.14"
NUM_TAGS = {OLD: 23, NEW: 29}
#: What lies below a car's camera: road, road line, sidewalk, ground and terrain.
GROUND = {OLD: (6, 7, 8, 14, 22), NEW: (1, 2, 10, 24, 25)}
KINDS = ("tags", "palette", "instances")

# Colours of CARLA's CityScapesPalette in all of its versions, which gave fence, other and terrain
# new ones, with the tag in the new numbering.
COLOURS: dict[Colour, int] = {
    (0, 0, 0): 0, (128, 64, 128): 1, (244, 35, 232): 2, (70, 70, 70): 3, (102, 102, 156): 4,
    (190, 153, 153): 5, (100, 40, 40): 5, (153, 153, 153): 6, (250, 170, 30): 7,
    (220, 220, 0): 8, (107, 142, 35): 9, (152, 251, 152): 10, (145, 170, 100): 10,
    (70, 130, 180): 11, (220, 20, 60): 12, (255, 0, 0): 13, (0, 0, 142): 14, (0, 0, 70): 15,
    (0, 60, 100): 16, (0, 80, 100): 17, (0, 0, 230): 18, (119, 11, 32): 19,
    (110, 190, 160): 20, (170, 120, 50): 21, (55, 90, 80): 22, (250, 170, 160): 22,
    (45, 60, 150): 23, (157, 234, 50): 24, (81, 0, 81): 25, (150, 100, 100): 26,
    (230, 150, 140): 27, (180, 165, 180): 28,
}  # fmt: skip
_PACKED = {red << 16 | green << 8 | blue: tag for (red, green, blue), tag in COLOURS.items()}


@dataclass(frozen=True)
class Found:
    """What the labels of a folder are.

    Attributes:
        kind: ``'tags'`` (one channel, or red alone), ``'palette'`` (colours) or ``'instances'``
            (red is the tag, green and blue number the objects).
        numbering: ``'carla_0.9.10'`` or ``'carla_0.9.14'``; colours are read as the latter.
        why: How that was told, for people.
        warning: What the user has to know of these labels; empty: nothing.
    """

    kind: str
    numbering: str
    why: str
    warning: str = ""


def read_tags(path: Path, kind: str) -> np.ndarray:
    """Reads the tags of a label file.

    Args:
        path: The picture.
        kind: ``'tags'``, ``'palette'`` or ``'instances'``.

    Returns:
        Tags of shape (H, W), uint8; those of colours in the numbering of 0.9.14.

    Raises:
        ValueError: The file holds something else, colours where tags are due above all.
        OSError: The file is unreadable.
    """
    pixels = _pixels(path)
    if kind == "palette":
        return _tags_of_colours(pixels)
    if kind == "tags" and _kind_of(pixels) != "tags":
        raise ValueError(
            "it holds colours, not tags (a tag is the red channel, with green and blue 0 or equal "
            "to it): say --labels-are palette for CARLA's CityScapesPalette, or instances"
        )
    return pixels[..., 0]


def find_out(paths: Sequence[Path], kind: str = "auto", numbering: str = "auto") -> Found:
    """Tells what label files hold, from a sample of them.

    Args:
        paths: The sample, not empty.
        kind: ``'auto'`` or what the user says (see :class:`Found`).
        numbering: ``'auto'`` or ``'0.9.10'`` or ``'0.9.14'``, what the user says.

    Returns:
        What they hold.

    Raises:
        ValueError: The labels are neither, are mixed, contradict what the user says, or do not
            show which numbering they have; each with the switch to set.
        OSError: A file is unreadable.
    """
    if kind == "auto":
        kinds = {path: _kind_of(_pixels(path)) for path in paths}
        if len(set(kinds.values())) > 1:
            named = {
                k: next(path.name for path in paths if kinds[path] == k)
                for k in KINDS
                if k in kinds.values()
            }
            raise ValueError(
                wrong("--labels-are", named, "labels of one kind", "Convert them separately.")
            )
        kind = kinds[paths[0]]
    if kind == "palette":
        for path in paths:
            _read_named(path, kind)
        return Found(kind, NEW, "colours of CARLA's CityScapesPalette")
    tags = [_read_named(path, kind) for path in paths]
    counts = _count(tags)
    lower = _count([tag[2 * len(tag) // 3 :] for tag in tags])
    highest = int(np.flatnonzero(counts).max())
    if highest >= NUM_TAGS[NEW]:
        raise ValueError(
            wrong(
                "--tags",
                f"tag {highest}",
                "0 to 22 (CARLA up to 0.9.13) or 0 to 28 (0.9.14 and later)",
                "These are no tags of CARLA; tools/dataset_converters/custom.py --taxonomy takes "
                "any ids.",
            )
        )
    share = {name: lower[list(tags_)].sum() / lower.sum() for name, tags_ in GROUND.items()}
    seen = OLD if share[OLD] >= share[NEW] else NEW
    clear = abs(share[OLD] - share[NEW]) >= 0.2 or highest >= NUM_TAGS[OLD]
    if highest >= NUM_TAGS[OLD]:
        seen = NEW
    said = f"{100 * share[OLD]:.0f}% of the lower third would be ground as numbered up to 0.9.13, "
    said += f"{100 * share[NEW]:.0f}% as numbered since 0.9.14; the highest tag is {highest}"
    warnings = []
    if numbering == "auto":
        if not clear:
            raise ValueError(
                wrong("--tags", "auto", "'0.9.10' or '0.9.14'", f"Not told by the labels: {said}.")
            )
        chosen = seen
    else:
        chosen = f"carla_{numbering}"
        if highest >= NUM_TAGS[chosen]:
            raise ValueError(
                wrong(
                    "--tags",
                    numbering,
                    f"'{seen.removeprefix('carla_')}', which these labels have",
                    f"The highest tag is {highest}, which that version does not know.",
                )
            )
        if clear and seen != chosen:
            warnings.append(f"the labels look like {seen}, but --tags says {numbering}: {said}")
    if chosen == OLD and highest <= 12:
        warnings.append(
            "no tag above 12: recorded by CARLA 0.9.9 or before, whose tags have no sky, "
            "terrain or traffic light; those pixels are ignored"
        )
    return Found(kind, chosen, said, "; ".join(warnings))


def _count(tags: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels of each of 256 tags."""
    return np.sum([np.bincount(tag.ravel(), minlength=256) for tag in tags], axis=0)


def _read_named(path: Path, kind: str) -> np.ndarray:
    try:
        return read_tags(path, kind)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _pixels(path: Path) -> np.ndarray:
    """A label picture as (H, W, 3), uint8; grey ones with three equal channels."""
    with open_picture(path) as picture:
        lossy = lossy_format(picture)
        if lossy:
            raise ValueError(f"it is stored as {lossy}, which may change labels; export PNGs")
        if picture.mode not in ("L", "P", "RGB", "RGBA"):
            raise ValueError(
                f"it is a {picture.mode} picture; CARLA's labels have one, three or four channels "
                "of 8 bits"
            )
        decode(picture)
        return np.asarray(picture.convert("RGB"))


def _kind_of(pixels: np.ndarray) -> str:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if not (green.any() or blue.any()) or ((red == green).all() and (red == blue).all()):
        return "tags"
    packed = np.unique(_pack(pixels))
    known = np.isin(packed, list(_PACKED)).mean()
    if known > 0.5 or red.max() >= NUM_TAGS[NEW]:
        return "palette"
    return "instances"


def _pack(pixels: np.ndarray) -> np.ndarray:
    wide = pixels.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _tags_of_colours(pixels: np.ndarray) -> np.ndarray:
    packed = _pack(pixels)
    values, places = np.unique(packed, return_inverse=True)
    strange = [value for value in values.tolist() if value not in _PACKED]
    if strange:
        named = [f"#{value:06x}" for value in strange[:5]]
        raise ValueError(
            f"{len(strange)} colours are not in CARLA's CityScapesPalette: {', '.join(named)}; a "
            "picture that was resized or compressed has mixed colours"
        )
    return np.array([_PACKED[value] for value in values.tolist()], np.uint8)[
        places.reshape(packed.shape)
    ]
