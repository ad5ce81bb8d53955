"""What the doctor says about label ids: outside the classes, raw, or taken for other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmasg.datasets.class_maps import CLASSES
from mmasg.errors import first_of
from mmasg.files.head_labels import Head, describe_ignored

from .samples import Listing


def outside_error(
    outside: Mapping[int, int],
    files: Sequence[str],
    listing: Listing,
    heads: Sequence[Head] = (),
    unit: str = "pixels",
) -> str:
    """Says which ids are no class and not left out, and what to do.

    Args:
        outside: Pixels (or images) of every such id.
        files: The files that have some.
        listing: The data set's.
        heads: What the model has, whose ``ignore_index`` belongs into the message.
        unit: ``'pixels'`` or ``'images'``.
    """
    ids = sorted(outside)
    text = (
        f"{len(files)} {'labels have' if unit == 'pixels' else 'images have class'} ids "
        f"outside 0 to {len(listing.classes) - 1}: {ids[:15]} ({sum(outside.values())} {unit}), "
        f"e.g. {first_of(files, 3)}"
    )
    if listing.classes == CLASSES and all(19 <= value <= 34 for value in ids):
        return (
            f"{text}. These are raw Cityscapes label ids (0 to 33) where training ids (0 to 18, "
            f"255) are due. {_conversion_remedy(files[0], listing)}"
        )
    if heads:
        text += f". Left out are: {describe_ignored(heads, listing.ignore_index)}"
    return text


def raw_name_errors(labels: Sequence[str], listing: Listing) -> list[str]:
    """Catches raw ids by the files' names, where by chance no id is above 18."""
    raw = [label for label in labels if label.endswith("_labelIds.png")]
    if not raw or listing.classes != CLASSES or any(s.label_map for s in listing.samples):
        return []
    return [
        f"{len(raw)} labels are named *_labelIds.png, which hold raw Cityscapes label ids where "
        f"training ids are due. {_conversion_remedy(raw[0], listing)}"
    ]


def by_name_warnings(raw: set[int], listing: Listing) -> list[str]:
    """Says what ids become where MMSegmentation maps them by class names.

    ``metainfo.classes`` that are a part of the registered ones make it take the files' ids for
    the registered classes. Files numbered in the order of ``metainfo.classes`` are then read as
    other classes without a word.

    Args:
        raw: All ids in the opened files, as stored.
        listing: The data set's.
    """
    if not listing.by_name:
        return []
    registered, label_map = listing.by_name
    moved = [
        f"{old} ({name}) becomes {label_map[old]}"
        for old, name in enumerate(registered)
        if old in raw and label_map[old] != old
    ]
    if not moved:
        return []
    text = (
        f"ids are mapped by name, because metainfo.classes are a part of the {len(registered)} "
        f"registered: {first_of(moved)}"
    )
    if max(raw - {255}, default=-1) < len(listing.classes):
        text += (
            f". No id in the files is above {len(listing.classes) - 1}: they look numbered in the "
            "order of metainfo.classes already, and would be taken for other classes. Then give "
            "the data set a class of its own, whose METAINFO has these classes"
        )
    return [text]


def head_errors(heads: Sequence[Head], classes: int) -> list[str]:
    """Compares the heads' number of outputs with the data's classes."""
    return [
        f"{head.key}.num_classes={head.num_classes}, but the training data has {classes} classes"
        for head in heads
        if classes and head.num_classes != classes
    ]


def _conversion_remedy(path: str, listing: Listing) -> str:
    root = next((root for root in listing.roots if root and path.startswith(root)), "")
    cityscapes = "gtFine" in path or path.endswith("_labelIds.png")
    tool, suffix = (
        ("cityscapes", "_gtFine_labelTrainIds.png") if cityscapes else ("gta", "_labelTrainIds.png")
    )
    return (
        f"Run: python tools/dataset_converters/{tool}.py {root or 'DATA_ROOT'} and set "
        f"seg_map_suffix='{suffix}'"
    )
