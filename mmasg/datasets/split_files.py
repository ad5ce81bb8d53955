"""Split lists: text files with one frame a line, and GTA5's official ``split.mat``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from mmasg.errors import first_of, wrong
from mmasg.files.listing import IMAGE_SUFFIXES
from mmasg.files.text_lines import read_lines

# Names of the arrays inside the file that the authors of GTA5 publish.
MAT_KEYS = {"train": "trainIds", "val": "valIds", "test": "testIds"}


def read_split_mat(path: str | Path) -> dict[str, list[str]]:
    """Reads GTA5's ``split.mat``.

    Args:
        path: The MATLAB file with the arrays ``trainIds``, ``valIds`` and ``testIds``, frame
            numbers counted from 1.

    Returns:
        Frame names, five digits each as on disk (``00001``), sorted, under ``train``, ``val``
        and ``test``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no MATLAB file or lacks one of the arrays.
    """
    from scipy.io import loadmat

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no split file {path.absolute()}")
    try:
        content = loadmat(str(path))
    except Exception as error:
        raise ValueError(f"{path} is not a MATLAB file: get the official split.mat anew") from error
    missing = [key for key in MAT_KEYS.values() if key not in content]
    if missing:
        found = sorted(key for key in content if not key.startswith("__"))
        raise ValueError(
            f"{path} has no {', '.join(missing)}; found {found or 'nothing'}. The official "
            "split.mat comes with GTA5's sample code for reading the labels."
        )
    frames = {}
    for split, key in MAT_KEYS.items():
        numbers = np.asarray(content[key]).ravel()
        if numbers.dtype.kind not in "uif" or not np.isfinite(numbers).all():
            raise ValueError(f"{path}: {key} holds no frame numbers")
        frames[split] = [f"{int(number):05d}" for number in sorted(numbers)]
    return frames


def read_split_list(path: str | Path, suffixes: tuple[str, ...] = ()) -> list[str]:
    r"""Reads a text list, one frame a line, as people write them.

    Spaces within a name, any line ends, a byte order mark, blank lines, lines that start with
    ``#``, ``\`` between folders and ``./`` in front of them are understood, and so is a line that
    names an image and then its label, whose image counts. Any of ``suffixes`` at a name's end is
    cut off, with its extension or without, in any case of letters.

    Args:
        path: The text file.
        suffixes: Endings to remove, such as ``('_leftImg8bit.png', '.png')``; the first that
            fits is removed.

    Returns:
        The frames' names in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty or no text, names a frame twice, or has lines that name more
            than an image and its label; by line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no split file {path.absolute()}")
    names: dict[str, int] = {}
    faults = []
    for number, line in read_lines(path):
        image, *rest = _columns(line, suffixes)
        name = _cut(image, suffixes)
        if rest and not _is_label_of(rest, name, suffixes):
            faults.append(f"line {number}: {line[:80]!r} is more than an image and its label")
        elif name in names:
            faults.append(f"line {number} names {name[:80]!r}, as line {names[name]} does")
        names.setdefault(name, number)
    if faults:
        raise ValueError(
            f"the split file {path.absolute()} must name a frame a line, each once: "
            f"{first_of(faults, 5)}"
        )
    if not names:
        raise ValueError(f"the split file {path.absolute()} is empty: it must name a frame a line")
    return list(names)


def _columns(line: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files that a line names; words belong to one name up to the ending of an image."""
    endings = tuple(suffix.lower() for suffix in (*suffixes, *IMAGE_SUFFIXES) if suffix)
    columns: list[str] = []
    for part in line.split("\t"):
        begun = ""
        for word in part.split(" "):
            begun = f"{begun} {word}" if begun else word
            if begun.lower().endswith(endings):
                columns.append(begun)
                begun = ""
        if begun:
            columns.append(begun)
    return columns or [line]


def _is_label_of(rest: list[str], name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether what follows an image is one file whose name begins with the frame's."""
    frame = PurePosixPath(name).name
    return len(rest) == 1 and PurePosixPath(_cut(rest[0], suffixes)).name.startswith(frame)


def _cut(name: str, suffixes: tuple[str, ...]) -> str:
    stems = (PurePosixPath(f"x{suffix}").stem[1:] for suffix in suffixes if suffix)
    for ending in (*suffixes, *stems):
        if ending and name.lower().endswith(ending.lower()) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def read_split(path: str | Path, split: str | None, suffixes: tuple[str, ...] = ()) -> list[str]:
    """Reads either kind of split file, told apart by the ending ``.mat``.

    Args:
        path: Text list or ``split.mat``.
        split: ``'train'``, ``'val'`` or ``'test'``: which array of ``split.mat``; unused for
            text lists.
        suffixes: As for :func:`read_split_list`.

    Returns:
        The frames' names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: ``split`` is missing or unknown for a ``.mat`` file, or the file is wrong.
    """
    if not str(path).endswith(".mat"):
        return read_split_list(path, suffixes)
    if split not in MAT_KEYS:
        raise ValueError(
            wrong("split", split, f"one of {list(MAT_KEYS)}", f"ann_file={str(path)!r} holds all.")
        )
    names = read_split_mat(path)[split]
    if not names:
        raise ValueError(f"{path} lists no frames for the split {split!r}")
    return names
