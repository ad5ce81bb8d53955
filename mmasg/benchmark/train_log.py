"""How far a training is, from the text that mmengine prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_ITERATION = re.compile(r"Iter\(train\)\s+\[\s*(\d+)/(\d+)\]")
_EPOCH = re.compile(r"Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]")
_TAIL_BYTES = 20_000


class Progress(NamedTuple):
    """How far a training is.

    Args:
        epoch: The epoch at work, from 1; a training by iterations has one.
        done: Iterations done in it.
        length: Iterations that it has; 0 where that is not known yet.
    """

    epoch: int = 1
    done: int = 0
    length: int = 0


def read_progress(log: Path) -> Progress:
    """Return what the last lines of a log say; nothing done where they say nothing."""
    text = tail(log)
    for pattern in (_EPOCH, _ITERATION):
        if found := pattern.findall(text):
            return Progress(*([] if pattern is _EPOCH else [1]), *map(int, found[-1]))
    return Progress()


def tail(file: Path) -> str:
    """Return the last 20,000 bytes of a text file; nothing where there is no file."""
    if not file.is_file():
        return ""
    with open(file, "rb") as stream:
        stream.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        return stream.read().decode(errors="replace")
