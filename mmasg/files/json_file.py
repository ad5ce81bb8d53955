"""JSON files that another command has written, read with errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: str | Path, key: str, writer: str) -> dict[str, Any]:
    """Return what a JSON file holds, which has to be an object.

    Args:
        path: The file.
        key: Config key or switch that names the file, for errors.
        writer: The command that writes such files, for errors.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no whole JSON file, or holds something else than an object.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{key}: there is no file {path}; {writer} writes it")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{key}: {path} is no whole JSON file ({error}); make it again by {writer}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{key}: {path} holds a {type(content).__name__}, and it has to hold an object by "
            f"names, as {writer} writes it"
        )
    return content
