"""Image classes that are given as folders: ``root/<class>/*.jpg``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def read_classes(root: str | Path) -> list[str]:
    """Name the classes of a domain: its subfolders, sorted; hidden ones are no classes.

    Configs call this while they are read, before any data needs to be there, so a missing folder
    gives an empty list; the model and the dataset then refuse to be built without classes.

    Args:
        root: Folder with a subfolder per class.

    Returns:
        The class names; empty if there is no such folder.
    """
    if not os.path.isdir(root):
        return []
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def list_images(folder: str | Path, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> list[str]:
    """List the images below a folder, in the order of their names.

    Args:
        folder: Searched with its subfolders, links included.
        suffixes: File name endings, compared in lower case. Defaults to ``IMAGE_SUFFIXES``.

    Returns:
        Paths relative to ``folder``, with ``/``; hidden files are left out.
    """
    found = []
    for parent, _, files in os.walk(folder, followlinks=True):
        prefix = os.path.relpath(parent, folder)
        for name in files:
            if name.startswith(".") or not name.lower().endswith(tuple(suffixes)):
                continue
            found.append(name if prefix == "." else f"{prefix}/{name}".replace(os.sep, "/"))
    return sorted(found)


def explain_difference(expected: Sequence[str], found: Sequence[str]) -> str:
    """Say in words how two sets of classes differ.

    Args:
        expected: Class names that are wanted.
        found: Class names that are there.

    Returns:
        For example ``"missing: bus; unexpected: Bus"``; empty where the sets are the same.
    """
    missing = [name for name in expected if name not in set(found)]
    unexpected = [name for name in found if name not in set(expected)]
    parts = []
    if missing:
        parts.append("missing: " + ", ".join(missing))
    if unexpected:
        parts.append("unexpected: " + ", ".join(unexpected))
    return "; ".join(parts)
