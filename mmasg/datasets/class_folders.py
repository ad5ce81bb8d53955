"""Image classes that are given as folders: ``root/<class>/*.jpg``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


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
