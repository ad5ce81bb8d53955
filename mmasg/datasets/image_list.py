"""Image lists in VisDA's form: ``relative/path.jpg class_index`` on every line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mmasg.errors import first_of
from mmasg.files.text_lines import read_lines

MAX_SHOWN = 10


class ListedImage(NamedTuple):
    """One line of an image list."""

    line: int  # counted from 1
    path: str  # relative to the images' root
    label: int


def read_image_list(
    list_file: str | Path,
    image_root: str | Path,
    classes: Sequence[str] | None = None,
    check_images: bool = True,
    check_folders: bool = True,
) -> list[ListedImage]:
    """Read an image list and check all of it.

    Args:
        list_file: The text file, read as :mod:`mmasg.files.text_lines` says; a path may contain
            spaces.
        image_root: Folder that the paths are relative to.
        classes: Class names in label order. Labels must then be in range, and the label of an
            image whose folder is called like a class must be that class. Defaults to None.
        check_images: Whether every image must exist. Folders are listed rather than files asked
            for one by one, which takes about a second for 150,000 images. Defaults to True.
        check_folders: Whether an image whose folder is called like a class must have that class.
            Defaults to True.

    Returns:
        The lines, in the file's order.

    Raises:
        FileNotFoundError: If the list or images are missing; the latter by line number.
        ValueError: If lines are unreadable, contradictory or name an image again, by line
            number, or there are none.
    """
    if not os.path.isfile(list_file):
        raise FileNotFoundError(f"no image list at {os.path.abspath(list_file)}")
    images: list[ListedImage] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    for number, line in read_lines(list_file):
        fault, image = _read_line(number, line, classes, check_folders)
        if image is None:
            faults.append(f"line {number}: {fault}")
        elif image.path in seen:
            faults.append(f"line {number} names {image.path[:80]}, as line {seen[image.path]} does")
        else:
            images.append(image)
            seen[image.path] = number
    unreadable = len(faults)
    if check_images:
        faults += _missing(images, image_root)
    if faults:
        kind = ValueError if unreadable else FileNotFoundError
        raise kind(
            f"{list_file}: {len(faults)} of {len(images) + unreadable} lines cannot be used "
            f"(images are looked for in {os.path.abspath(image_root)}): "
            f"{first_of(faults, MAX_SHOWN)}"
        )
    if not images:
        raise ValueError(f"{list_file} lists no images")
    return images


def _read_line(
    number: int, line: str, classes: Sequence[str] | None, check_folders: bool
) -> tuple[str, ListedImage | None]:
    """Read one line; gives either what is wrong with it or the image."""
    parts = line.rsplit(maxsplit=1)
    if len(parts) != 2 or not re.fullmatch("[0-9]{1,9}", parts[1]):
        return f"expected 'relative/path.jpg class_index', got {line[:80]!r}", None
    path, label = parts[0], int(parts[1])
    if classes is not None:
        if label >= len(classes):
            return f"class index {label} is not in 0..{len(classes) - 1} ({path})", None
        folder = PurePosixPath(path).parent.name
        if check_folders and folder in classes and classes[label] != folder:
            index = list(classes).index(folder)
            return (
                f"{path} has label {label} ({classes[label]}), but {folder} is class {index}",
                None,
            )
    return "", ListedImage(number, path, label)


def _missing(images: Sequence[ListedImage], root: str | Path) -> list[str]:
    """Name the images that do not exist, by line."""
    listings: dict[str, set[str]] = {}
    faults = []
    for image in images:
        folder, name = os.path.split(os.path.join(root, image.path))
        if folder not in listings:
            listings[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in listings[folder]:
            faults.append(f"line {image.line}: no image {image.path}")
    return faults


def classes_of_list(images: Sequence[ListedImage]) -> list[str]:
    """Infer the class names from the folders that the images of each label lie in.

    Args:
        images: Lines of a list such as DomainNet's: ``real/axe/real_001.jpg 11``.

    Returns:
        Class names in label order.

    Raises:
        ValueError: If a label's images lie in several folders, or labels are left out, so that
            the names cannot be inferred.
    """
    names: dict[int, str] = {}
    for image in images:
        folder = PurePosixPath(image.path).parent.name
        if names.setdefault(image.label, folder) != folder or not folder:
            raise ValueError(
                f"line {image.line}: images of label {image.label} lie in the folders "
                f"{names[image.label]!r} and {folder!r}, so the class has no name; give the "
                "class names in the dataset's metainfo=dict(classes=[...])"
            )
    if max(names) >= len(names) or len(set(names.values())) != len(names):
        missing = sorted(set(range(len(names))) - set(names))
        raise ValueError(
            f"labels without an image up to {max(names)}: {first_of(missing)}; folders: "
            f"{first_of(sorted(set(names.values())))}. Give "
            "the class names in the dataset's metainfo=dict(classes=[...])"
        )
    return [names[label] for label in range(len(names))]
