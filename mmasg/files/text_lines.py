"""Lists of files as people write them: any line ends, a byte order mark, Windows' separators."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

_LONGEST = 4096  # what a path may have on Linux
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: str | Path) -> str:
    """Reads a text file, UTF-8 or what its byte order mark says.

    Args:
        path: The file.

    Returns:
        Its text, without the mark.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text.
    """
    content = Path(path).read_bytes()
    coding = next((c for mark, c in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(coding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text file (byte {error.start} is not {coding}): save it as UTF-8"
        ) from error
    if "\0" in text:
        raise ValueError(f"{path} is no text file: it holds zero bytes")
    return text


def read_lines(path: str | Path) -> list[tuple[int, str]]:
    r"""Reads the lines that say something: not blank, and not beginning with ``#``.

    Args:
        path: A text file. ``\`` between folders is read as ``/``, and ``./`` in front is cut.

    Returns:
        Pairs of line number, from 1, and stripped line.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text, or a line is too long for a path.
    """
    said = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", read_text(path)), start=1):
        line = re.sub(r"^(\./+)+", "", line.strip().replace("\\", "/"))
        if len(line) > _LONGEST:
            raise ValueError(f"{path}: line {number} has {len(line)} characters; it names no file")
        if line and not line.startswith("#"):
            said.append((number, line))
    return said
