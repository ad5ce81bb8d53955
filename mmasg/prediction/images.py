"""Which images are predicted, whether they can be read, and what their results are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mmasg.files.listing import IMAGE_SUFFIXES, list_files

#: How the files of a segmented image end.
LABELS, OVERLAY = "_labelTrainIds.png", "_overlay.png"


def find_images(path: str | Path, out: str | Path) -> list[Path]:
    """Return the image of a path, or all below a folder, sorted.

    What an earlier prediction wrote is no image to predict: neither anything in ``out``, where
    that lies below the folder, nor the pairs of label map and overlay of any other run.

    Args:
        path: An image, or a folder.
        out: Folder that the results go to.

    Raises:
        FileNotFoundError: There is no such path, or the folder holds no image.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    results = Path(out).resolve()
    inside = results != root.resolve()
    found = [root / name for name in list_files(root)]
    names = set(found)
    images = [
        image
        for image in found
        if not (inside and image.resolve().is_relative_to(results)) and not _is_result(image, names)
    ]
    if not images:
        what = "holds no image" if root.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"images: {os.path.abspath(path)!r} {what}; give an image or a folder with files that "
            f"end in {', '.join(IMAGE_SUFFIXES)}"
        )
    return images


def _is_result(image: Path, names: set[Path]) -> bool:
    for ending, other in ((LABELS, OVERLAY), (OVERLAY, LABELS)):
        if image.name.endswith(ending):
            return image.with_name(image.name.removesuffix(ending) + other) in names
    return False


def result_names(images: Sequence[Path], root: Path) -> list[str]:
    """Return a name for the results of every image, no two the same.

    Folders below ``root`` and the image's stem, joined by ``_``; where that is the name of
    several images, all of them have their suffix as well, and then numbers.

    Args:
        images: Files below ``root``.
        root: Folder that names begin below.
    """
    plain = ["_".join(path.relative_to(root).with_suffix("").parts) for path in images]
    often = Counter(plain)
    names: list[str] = []
    taken = {name for name in plain if often[name] == 1}
    for path, name in zip(images, plain, strict=True):
        if often[name] > 1:
            base = name = f"{name}_{path.suffix[1:]}"
            number = 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
        names.append(name)
    return names


def read_image(path: Path) -> np.ndarray:
    """Read an image whole, turned as its orientation tag says.

    Args:
        path: The file.

    Returns:
        RGB, (H, W, 3) uint8.

    Raises:
        ValueError: It is truncated or no image. (OpenCV fills what is missing with grey.)
    """
    try:
        with Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except Exception as error:  # Pillow raises SyntaxError, struct.error, ... for a broken file
        raise ValueError(
            f"{path} is truncated or no image ({error}). Copy or make it again"
        ) from error
