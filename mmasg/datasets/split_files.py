"""Split lists: text files with one frame a line, and GTA5's official ``split.mat``."""

from __future__ import annotations

from pathlib import Path

from mmasg.errors import first_of

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
        raise ValueError(f"{path} is not a MATLAB file that scipy can read: {error}") from error
    missing = [key for key in MAT_KEYS.values() if key not in content]
    if missing:
        found = sorted(key for key in content if not key.startswith("__"))
        raise ValueError(
            f"{path} has no {', '.join(missing)}; found {found or 'nothing'}. The official "
            "split.mat comes with GTA5's sample code for reading the labels."
        )
    return {
        split: [f"{int(number):05d}" for number in sorted(content[key].ravel())]
        for split, key in MAT_KEYS.items()
    }


def read_split_list(path: str | Path, suffixes: tuple[str, ...] = ()) -> list[str]:
    """Reads a text list, one frame a line.

    Blank lines and lines that start with ``#`` are skipped; of ``a.png b.png`` the first word
    counts; any of ``suffixes`` at a name's end is cut off.

    Args:
        path: The text file.
        suffixes: Endings to remove, such as ``('_leftImg8bit.png', '.png')``; the first that
            fits is removed.

    Returns:
        The frames' names in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty, is no text, or names a frame twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no split file {path.absolute()}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file with one frame a line") from error
    names = []
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name = line.split()[0]
        for suffix in suffixes:
            if suffix and name.endswith(suffix):
                name = name[: -len(suffix)]
                break
        names.append(name)
    if not names:
        raise ValueError(f"the split file {path.absolute()} is empty: it must name a frame a line")
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
        raise ValueError(
            f"the split file {path} names {len(twice)} frames twice: {first_of(twice, 5)}"
        )
    return names


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
            f"ann_file={str(path)!r} holds three splits: set split to one of {list(MAT_KEYS)}, "
            f"not {split!r}"
        )
    names = read_split_mat(path)[split]
    if not names:
        raise ValueError(f"{path} lists no frames for the split {split!r}")
    return names
