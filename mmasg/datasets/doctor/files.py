"""Opens one image and its label and says what is wrong with them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import mmengine.fileio as fileio
import numpy as np
from PIL import Image

EXIF_ORIENTATION = 274


@dataclass(frozen=True)
class Sample:
    """One entry of a data set.

    Attributes:
        image: Path of the image.
        label: Path of the label picture; None where there is none.
        num_classes: Ids 0 to num_classes - 1 are classes.
        ignore_index: The id that losses and metrics leave out.
        label_map: Applied to ids while they are read, as MMSegmentation does; or None.
        reduce_zero_label: MMSegmentation's option of this name.
        class_id: The class of a whole image, in classification; or None.
        backend_args: Of mmengine's file backends.
    """

    image: str
    label: str | None
    num_classes: int
    ignore_index: int = 255
    label_map: Mapping[int, int] | None = None
    reduce_zero_label: bool = False
    class_id: int | None = None
    backend_args: Mapping | None = None


@dataclass
class Finding:
    """What opening one sample showed.

    Attributes:
        problems: Pairs of the kind of a problem (``unreadable``, ``size``, ``colour``,
            ``overflow``) and a text that names the file.
        counts: Pixels (in classification: images) of each class, shape (num_classes,), int64.
        ignored: Pixels with the ignore index.
        outside: Pixels of every id that is neither a class nor the ignore index.
        raw_max: The largest id in the file as stored, or -1.
        opened: Whether a class histogram could be taken.
    """

    problems: list[tuple[str, str]] = field(default_factory=list)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored: int = 0
    outside: dict[int, int] = field(default_factory=dict)
    raw_max: int = -1
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
    finding = Finding(counts=np.zeros(sample.num_classes, np.int64))
    image_size = None
    try:
        with Image.open(_stream(sample.image, sample)) as picture:
            picture.load()
            image_size = picture.size
            # OpenCV, which loads images for training, turns them as their EXIF data says.
            if picture.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8):
                image_size = image_size[::-1]
    except Exception as error:  # decoders raise anything for broken files
        finding.problems.append(("unreadable", f"{sample.image}: {_short(error)}"))
    if sample.class_id is not None:
        _count_image(sample, finding)
    elif sample.label is not None:
        _check_label(sample, image_size, finding)
    return finding


def _count_image(sample: Sample, finding: Finding) -> None:
    assert sample.class_id is not None
    finding.opened = True
    finding.raw_max = sample.class_id
    if 0 <= sample.class_id < sample.num_classes:
        finding.counts[sample.class_id] = 1
    else:
        finding.outside[sample.class_id] = 1


def _check_label(sample: Sample, image_size: tuple | None, finding: Finding) -> None:
    try:
        with Image.open(_stream(str(sample.label), sample)) as picture:
            picture.load()
            histogram = _histogram(picture)
            size, mode = picture.size, picture.mode
    except Exception as error:
        finding.problems.append(("unreadable", f"{sample.label}: {_short(error)}"))
        return
    if image_size is not None and size != image_size:
        text = f"{sample.label} is {size[0]}x{size[1]}, its image {image_size[0]}x{image_size[1]}"
        finding.problems.append(("size", text))
    if histogram is None:
        finding.problems.append(("colour", f"{sample.label} (mode {mode})"))
        return
    finding.opened = True
    finding.raw_max = int(np.flatnonzero(histogram).max(initial=-1))
    if finding.raw_max > 255:
        finding.problems.append(("overflow", f"{sample.label} (id {finding.raw_max})"))
        # MMSegmentation casts labels to 8 bits: what training would see.
        padded = np.pad(histogram, (0, -len(histogram) % 256))
        histogram = padded.reshape(-1, 256).sum(0)
    for value in np.flatnonzero(histogram):
        count, new = int(histogram[value]), _mapped(int(value), sample)
        if new == sample.ignore_index:
            finding.ignored += count
        elif 0 <= new < sample.num_classes:
            finding.counts[new] += count
        else:
            finding.outside[new] = finding.outside.get(new, 0) + count


def _histogram(picture: Image.Image) -> np.ndarray | None:
    """Pixels of every id, or None for a picture of colours."""
    if picture.mode in ("L", "P"):
        return np.asarray(picture.histogram(), dtype=np.int64)
    values = np.asarray(picture)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        return None
    return np.bincount(values.astype(np.int64).clip(min=0).ravel(), minlength=256)


def _mapped(value: int, sample: Sample) -> int:
    """What MMSegmentation's ``LoadAnnotations`` makes of an id."""
    if sample.reduce_zero_label:
        value = 255 if value in (0, 255) else value - 1
    if sample.label_map is not None:
        value = sample.label_map.get(value, value)
    return value


def _stream(path: str, sample: Sample) -> io.BytesIO:
    if not sample.backend_args:
        with open(path, "rb") as file:
            return io.BytesIO(file.read())
    return io.BytesIO(fileio.get(path, backend_args=dict(sample.backend_args)))


def _short(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    if "cannot identify image file" in text:
        return "not a picture, or cut off in its first bytes"
    return text or type(error).__name__
