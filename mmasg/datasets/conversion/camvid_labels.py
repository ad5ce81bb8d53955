"""CamVid's labels: index pictures in the 11-class form, and the 32 original colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmasg.datasets.label_values import Colour
from mmasg.files.sound_pair import ids_of, open_picture

from .id_map import IdMap

#: The 11 classes in the order of the index pictures; 11 is void.
CAMVID_11 = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist", "void",
)  # fmt: skip

# The 32 original colours by the class of the 11 that takes them (the usual grouping, which
# the index pictures were made by).
_GROUPS: dict[str, tuple[Colour, ...]] = {
    "sky": ((128, 128, 128),),
    # building; archway, bridge, tunnel, wall
    "building": ((128, 0, 0), (192, 0, 128), (0, 128, 64), (64, 0, 64), (64, 192, 0)),
    # column or pole; traffic cone
    "pole": ((192, 192, 128), (0, 0, 64)),
    # road; lane markings for driving and others
    "road": ((128, 64, 128), (128, 0, 192), (192, 0, 64)),
    # sidewalk; parking block, road shoulder
    "pavement": ((0, 0, 192), (64, 192, 128), (128, 128, 192)),
    # tree; other vegetation
    "tree": ((128, 128, 0), (192, 192, 0)),
    # sign or symbol; other text, traffic light
    "sign": ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    "fence": ((64, 64, 128),),
    # car; SUV or pick-up, lorry or bus, train, other moving
    "car": ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    # pedestrian; child, cart or pram, animal
    "pedestrian": ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),
    # bicyclist; motorcycle or scooter
    "bicyclist": ((0, 128, 192), (192, 0, 192)),
    "void": ((0, 0, 0),),
}
COLOURS: dict[Colour, int] = {
    colour: CAMVID_11.index(name) for name, colours in _GROUPS.items() for colour in colours
}
_COLOUR_MAP = IdMap({}, COLOURS)


def read_camvid_labels(path: Path) -> np.ndarray:
    """Reads a label file of either kind, told apart by its channels.

    Args:
        path: An index picture (grey or palette) or one of the original colours (RGB).

    Returns:
        Indices 0 to 11 of shape (H, W), uint8.

    Raises:
        ValueError: It holds other indices or colours, is stored in a lossy format, or is
            unreadable.
    """
    with open_picture(path) as picture:
        indices = ids_of(picture) if picture.mode in ("L", "P") else None
    if indices is None:
        return _COLOUR_MAP.convert(path)
    if indices.max() >= len(CAMVID_11):
        raise ValueError(
            f"it has the index {int(indices.max())}; CamVid's indices are 0 to 11 (11-class form), "
            "and original labels are RGB pictures of 32 colours"
        )
    return indices
