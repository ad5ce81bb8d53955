"""Files below a folder: linked folders followed, each real folder once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmasg.errors import first_of

#: How image files end, in lower case.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


def list_files(
    folder: str | Path, suffixes: Sequence[str] = IMAGE_SUFFIXES, any_case: bool = True
) -> list[str]:
    """Lists the files below a folder.

    Folders behind links are searched as well, each real folder once, under the name that holds
    no link where there is one. A link to a folder that holds the link is not followed, so a
    circle ends. Hidden files and folders and links to nothing are left out.

    Args:
        folder: Where to look. One that does not exist has no files.
        suffixes: How the files' names end. Defaults to ``IMAGE_SUFFIXES``.
        any_case: Whether ``.PNG`` counts as ``.png``. Defaults to True.

    Returns:
        Paths relative to ``folder``, with ``/``, sorted.

    Raises:
        OSError: A folder cannot be read.
    """
    if not os.path.isdir(folder):
        return []
    endings = tuple(suffix.lower() if any_case else suffix for suffix in suffixes)
    root = os.path.realpath(folder)
    seen: set[str] = set()
    found: list[str] = []
    links = [""]
    for link in links:  # grows while it is walked
        real = os.path.realpath(os.path.join(root, link))
        holder = os.path.realpath(os.path.join(root, os.path.dirname(link)))
        if link and any(Path(place).is_relative_to(real) for place in (root, holder)):
            continue
        further = []
        for name, entries in _walk(real, link, seen):
            for entry in entries:
                path = f"{name}/{entry.name}" if name else entry.name
                if entry.is_dir():
                    further.append(path)
                elif (entry.name.lower() if any_case else entry.name).endswith(endings):
                    found.append(path)
        links += sorted(further)
    return sorted(found)


def describe_folder(path: str | Path) -> str:
    """A few words for error messages on what there is where something was looked for.

    Args:
        path: A folder, or what should be one.

    Returns:
        For example ``"/data/gta5 holds images/, split.mat"``, of the nearest folder that exists.
    """
    folder = Path(path).absolute()
    while not folder.is_dir():
        folder = folder.parent
    names = sorted(
        entry.name + ("/" if entry.is_dir() else "")
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
    )
    return f"{folder} holds {first_of(names, 5)}" if names else f"{folder} is empty"


def _walk(folder: str, name: str, seen: set[str]) -> Iterator[tuple[str, list[os.DirEntry]]]:
    """Files and links to folders of a folder and the real ones below it that were not seen."""
    todo = [(folder, name)]
    while todo:
        folder, name = todo.pop()
        if folder in seen:
            continue
        seen.add(folder)
        kept = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below = f"{name}/{entry.name}" if name else entry.name
                    todo.append((os.path.join(folder, entry.name), below))
                elif not entry.is_symlink() or os.path.exists(entry):  # no link to nothing
                    kept.append(entry)
        yield name, kept
