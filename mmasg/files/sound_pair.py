"""What a sound pair of an image and its label picture is; the doctor and the training ask here."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import mmengine.fileio as fileio
import numpy as np
from PIL import Image

EXIF_ORIENTATION = 274
#: Kinds of faults: what the doctor says of several files, and the remedy.
KINDS = {
    "unreadable": (
        "files are unreadable or cut off",
        "Download or make them again, or take them out of the split",
    ),
    "size": (
        "labels differ in size from their image",
        "Make them again from their source, or take the pairs out of the split",
    ),
    "turned": (
        "files have an orientation tag, by which images are turned while they are loaded, but "
        "labels are not",
        "Save them upright and without the tag, or, where labels fit the pixels as stored, load "
        "images with color_type='color_ignore_orientation'",
    ),
    "lossy": (
        "labels are stored in a lossy format, which makes ids into others",
        "Make them again from their source, as PNG",
    ),
    "colour": (
        "labels are pictures of colours where ids are due",
        "Convert them with tools/dataset_converters/custom.py --id-map FILE",
    ),
    "overflow": (
        "labels hold values that 8 bits do not, and are cut while they are loaded",
        "Convert them with tools/dataset_converters/custom.py --id-map FILE",
    ),
}
_WIDE = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


class Fault(NamedTuple):
    """What is wrong with a pair: a key of ``KINDS``, and a text that names the file."""

    kind: str
    text: str


class UnsoundLabelError(ValueError):
    """A label picture cannot be used; ``kind`` is the key of ``KINDS``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def open_picture(path: Any, backend_args: Mapping | None = None) -> Image.Image:
    """Opens a picture, its pixels not yet decoded.

    Args:
        path: Of the file, in the file backend that ``backend_args`` names.
        backend_args: Of mmengine's file backends. Default: the local disk.

    Raises:
        UnsoundLabelError: It is unreadable; says why in a few words.
    """
    try:
        if backend_args:
            return Image.open(io.BytesIO(fileio.get(str(path), backend_args=dict(backend_args))))
        return Image.open(path)
    except Exception as error:  # decoders raise anything for broken files
        raise UnsoundLabelError("unreadable", _short(error)) from error


def decode(picture: Image.Image) -> np.ndarray:
    """Decodes the pixels of an opened picture.

    Returns:
        Array as Pillow gives it: indices of a palette picture, booleans of one bit.

    Raises:
        UnsoundLabelError: The file is cut off or broken.
    """
    try:
        picture.load()
        return np.asarray(picture)
    except Exception as error:
        raise UnsoundLabelError("unreadable", _short(error)) from error


def ids_of(picture: Image.Image, most: int = 255) -> np.ndarray:
    """The ids of an opened label picture.

    Args:
        picture: Of one bit, grey (8, 16 or 32 bits) or with a palette, whose indices count.
        most: The largest id allowed. Defaults to 255, what MMSegmentation's loader keeps.

    Returns:
        Ids of shape (H, W), an integer type (bool for one bit).

    Raises:
        UnsoundLabelError: The format is lossy, the picture has colours, holds other values, or is
            broken.
    """
    lossy = lossy_format(picture)
    if lossy:
        raise UnsoundLabelError("lossy", f"it is stored as {lossy}, which may change ids")
    if picture.mode not in ("1", "L", "P", *_WIDE):
        raise UnsoundLabelError(
            "colour", f"it is a {picture.mode} picture where one channel of label ids is due"
        )
    ids = decode(picture)
    if picture.mode in _WIDE and ids.size:
        low, high = ids.min(), ids.max()
        if not (low >= 0 and high <= most and (ids == np.floor(ids)).all()):
            raise UnsoundLabelError("overflow", f"values {low} to {high}, not ids 0 to {most}")
        ids = ids.astype(np.int64)
    return ids


def lossy_format(picture: Image.Image) -> str:
    """Name of the lossy format that an opened picture is stored in; empty: its format keeps ids."""
    packed = str(picture.info.get("compression", "")).lower()
    if picture.format == "TIFF" and ("jpeg" in packed or "webp" in packed):
        return f"TIFF with {packed} compression"
    names = {"JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WebP", "JPEG2000": "JPEG 2000", "AVIF": "AVIF"}
    return names.get(picture.format or "", "")


def find_faults(
    image: Any,
    label: Any = None,
    backend_args: Mapping | None = None,
    everything: bool = False,
    turns: bool = True,
) -> tuple[list[Fault], np.ndarray | None]:
    """Looks at an image and its label picture.

    Args:
        image: Path of the image; None: there is none to look at.
        label: Path of the label picture; None: there is none.
        backend_args: Of mmengine's file backends. Default: the local disk.
        everything: Decode both files in full. Default: look at their heads alone, and decode
            labels of more than 8 bits, whose values may not fit.
        turns: Whether the image is turned by its orientation tag while it is loaded, as OpenCV
            and so MMSegmentation does by default.

    Returns:
        What is wrong, and the label's ids (H, W) where they were decoded and are sound.
    """
    faults: list[Fault] = []
    ids, sizes, tags = None, [], []
    for path in (image, label):
        if path is None:
            continue
        try:
            with open_picture(path, backend_args) as picture:
                tags.append(_orientation(picture))
                sizes.append(picture.size)
                if path is image and everything:
                    decode(picture)
                elif path is label:
                    wide = picture.mode in _WIDE or picture.mode not in ("1", "L", "P")
                    if everything or wide or lossy_format(picture):
                        ids = ids_of(picture)
        except UnsoundLabelError as error:
            faults.append(Fault(error.kind, f"{path}: {error}"))
    if len(sizes) == 2:
        faults += _compare(image, label, sizes, tags, turns)
    return faults, ids


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # a broken tag turns nothing
        return 1


def _compare(image: Any, label: Any, sizes: list, tags: list[int], turns: bool) -> list[Fault]:
    """Faults in how the two pictures lie on each other."""
    (w, h), (lw, lh) = stored, marked = sizes
    turned = turns and tags[0] in range(2, 9)
    if turned and marked == stored:  # of a square one cannot be told how its label was drawn
        return [Fault("turned", f"{image} (orientation {tags[0]})")]
    if turned and tags[0] >= 5:
        w, h = h, w
    if (w, h) == (lw, lh):
        if turns and not turned and tags[1] in range(2, 9):
            return [Fault("turned", f"{label} (orientation {tags[1]})")]
        return []
    why = ""
    if (lw, lh) == (h, w):
        why = ": width and height are swapped"
    elif lw * h == lh * w:
        why = f": it is scaled by {lw / w:.3g}"
    return [Fault("size", f"{label} is {lw}x{lh}, its image {w}x{h}{why}")]


def _short(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if "cannot identify image file" in text:
        return "not a picture, or cut off in its first bytes"
    return text or "it cannot be decoded"
