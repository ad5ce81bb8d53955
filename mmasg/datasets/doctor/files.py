"""Opens one image and its label and counts what the data set makes of their ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import mmengine.fileio as fileio
import numpy as np

from mmasg.files.sound_pair import Fault, find_faults


@dataclass(frozen=True)
class Sample:
    """One entry of a data set.

    Attributes:
        image: Path of the image.
        label: Path of the label picture; None where there is none.
        num_classes: Ids 0 to num_classes - 1 are classes.
        label_map: Applied to ids while they are read, as MMSegmentation does; or None.
        reduce_zero_label: MMSegmentation's option of this name.
        class_id: The class of a whole image, in classification; or None.
        backend_args: Of mmengine's file backends.
        turns: Whether images are turned by their orientation tag while they are loaded.
    """

    image: str
    label: str | None
    num_classes: int
    label_map: Mapping[int, int] | None = None
    reduce_zero_label: bool = False
    class_id: int | None = None
    backend_args: Mapping | None = None
    turns: bool = True


@dataclass
class Finding:
    """What opening one sample showed.

    Attributes:
        faults: What is wrong with the files.
        counts: Pixels (in classification: images) of each class, shape (num_classes,), int64.
        others: Pixels of every id that is no class, ignored ones included.
        raw: The ids in the file as stored.
        opened: Whether the classes could be counted.
    """

    faults: list[Fault] = field(default_factory=list)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    others: dict[int, int] = field(default_factory=dict)
    raw: tuple[int, ...] = ()
    opened: bool = False


def is_there(path: str, backend_args: Mapping | None) -> bool:
    """Whether a file exists, locally or in a remote store."""
    if not backend_args:
        return os.path.isfile(path)
    return fileio.exists(path, backend_args=dict(backend_args))


def check_sample(sample: Sample) -> Finding:
    """Decodes a sample's files in full.

    Args:
        sample: What to open.

    Returns:
        The finding. Files that do not exist are reported as unreadable.
    """
    label = sample.label if sample.class_id is None else None
    faults, ids = find_faults(sample.image, label, sample.backend_args, True, sample.turns)
    finding = Finding(faults, np.zeros(sample.num_classes, np.int64))
    if sample.class_id is not None:
        histogram = {sample.class_id: 1}
    elif ids is not None:
        counted = np.bincount(ids.ravel())
        histogram = {int(value): int(counted[value]) for value in np.flatnonzero(counted)}
    else:
        return finding
    finding.opened = True
    finding.raw = tuple(histogram)
    for value, count in histogram.items():
        new = _mapped(value, sample)
        if 0 <= new < sample.num_classes:
            finding.counts[new] += count
        else:
            finding.others[new] = finding.others.get(new, 0) + count
    return finding


def _mapped(value: int, sample: Sample) -> int:
    """What MMSegmentation's ``LoadAnnotations`` makes of an id."""
    if sample.reduce_zero_label:
        value = 255 if value in (0, 255) else value - 1
    if sample.label_map is not None:
        value = sample.label_map.get(value, value)
    return value
