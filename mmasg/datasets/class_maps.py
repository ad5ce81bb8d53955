"""Tables that take the label ids of other data sets to the 19 training ids of Cityscapes."""

from __future__ import annotations

from typing import Any

from mmseg.datasets import BaseSegDataset, CityscapesDataset

IGNORE = 255
CLASSES: tuple[str, ...] = CityscapesDataset.METAINFO["classes"]
TRAIN_ID = {name: index for index, name in enumerate(CLASSES)}

# Cityscapes' label ids, which GTA5's palette images use as well (34 is GTA5's license plate).
CITYSCAPES_IDS: dict[int, int] = {
    **dict.fromkeys(range(35), IGNORE),
    **{
        7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10,
        24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
    },
}  # fmt: skip

# SYNTHIA-RAND-CITYSCAPES: ids 0 to 22; the 16 classes of the literature. Terrain (16), truck (18),
# train (20), parking slot, road work and lane marking are left out, as papers do.
SYNTHIA_IDS: dict[int, int] = {
    **dict.fromkeys(range(23), IGNORE),
    **{
        old: TRAIN_ID[name]
        for old, name in {
            1: "sky", 2: "building", 3: "road", 4: "sidewalk", 5: "fence", 6: "vegetation",
            7: "pole", 8: "car", 9: "traffic sign", 10: "person", 11: "bicycle",
            12: "motorcycle", 15: "traffic light", 17: "rider", 19: "bus", 21: "wall",
        }.items()
    },
}  # fmt: skip

SYNTHIA_16: tuple[str, ...] = tuple(
    name for name in CLASSES if name not in ("terrain", "truck", "train")
)
SYNTHIA_13: tuple[str, ...] = tuple(
    name for name in SYNTHIA_16 if name not in ("wall", "fence", "pole")
)

# Mapillary Vistas' class names (both versions), by the Cityscapes class that contains them.
# Classes that Cityscapes leaves out of its evaluation (bridge, tunnel, parking, rail track,
# guard rail, caravan, trailer ...) or does not know are ignored.
_MAPILLARY = {
    "road": ("Road", "Service Lane", "Bike Lane", "Crosswalk - Plain", "Road Shoulder"),
    "sidewalk": ("Sidewalk", "Curb", "Curb Cut", "Pedestrian Area"),
    "building": ("Building", "Garage"),
    "wall": ("Wall",),
    "fence": ("Fence",),
    "pole": ("Pole", "Utility Pole"),
    "traffic light": (
        "Traffic Light",
        "Traffic Light - General (Single)",
        "Traffic Light - Pedestrians",
        "Traffic Light - General (Upright)",
        "Traffic Light - General (Horizontal)",
        "Traffic Light - Cyclists",
        "Traffic Light - Other",
    ),
    "traffic sign": (
        "Traffic Sign (Front)",
        "Traffic Sign - Direction (Front)",
        "Traffic Sign - Parking",
        "Traffic Sign - Temporary (Front)",
    ),
    "vegetation": ("Vegetation",),
    "terrain": ("Terrain",),
    "sky": ("Sky",),
    "person": ("Person",),
    "rider": ("Bicyclist", "Motorcyclist", "Other Rider"),
    "car": ("Car",),
    "truck": ("Truck",),
    "bus": ("Bus",),
    "train": ("On Rails",),
    "motorcycle": ("Motorcycle",),
    "bicycle": ("Bicycle",),
}


def ids_by_name(dataset: Any) -> tuple[tuple[str, ...], dict[int, int]] | None:
    """Says what ids become where MMSegmentation maps them by class names.

    Args:
        dataset: A data set, built.

    Returns:
        The registered classes, and the new id of every old one; None where ids stay as they are,
        or where the data set has a map of its own (Mapillary's).
    """
    if not isinstance(dataset, BaseSegDataset) or not dataset.label_map:
        return None
    mapper = next(base for base in type(dataset).__mro__ if "get_label_map" in vars(base))
    if mapper is not BaseSegDataset:
        return None
    return tuple(type(dataset).METAINFO["classes"]), dataset.label_map


def mapillary_ids(names: tuple[str, ...]) -> dict[int, int]:
    """Maps Mapillary Vistas' ids to training ids.

    Every ``Lane Marking ...`` is road: Cityscapes paints markings as road. The markings that
    v2 calls ``(only)`` lie on a road too.

    Args:
        names: The version's class names in the order of their ids.

    Returns:
        Training id (255: ignored) of every id.
    """
    by_name = {name: cls for cls, group in _MAPILLARY.items() for name in group}
    table = {}
    for old, name in enumerate(names):
        cls = "road" if name.startswith("Lane Marking") else by_name.get(name)
        table[old] = IGNORE if cls is None else TRAIN_ID[cls]
    return table
