"""What a pixel of a label file may hold, an id or a colour, as people write it in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Colour = tuple[int, int, int]
LabelValue = int | Colour


def parse_label_value(key: Any, where: str) -> LabelValue:
    """Reads an id or a colour out of what a file says.

    Args:
        key: An id from 0 to 65535, or a colour as ``'128,64,128'`` or ``'#804080'``.
        where: Beginning of the error message.

    Returns:
        The id, or (red, green, blue).

    Raises:
        ValueError: It is neither.
    """
    parts: list[Any]
    if isinstance(key, str) and len(key) == 7 and key.startswith("#"):
        try:
            return int(key[1:3], 16), int(key[3:5], 16), int(key[5:7], 16)
        except ValueError:
            parts = [key]
    else:
        parts = key.split(",") if isinstance(key, str) else [key]
    try:
        if any(isinstance(part, (bool, float)) for part in parts):
            raise ValueError
        numbers = [int(part) for part in parts]
    except (ValueError, TypeError):
        numbers = []
    if len(numbers) == 1 and 0 <= numbers[0] <= 65535:
        return numbers[0]
    if len(numbers) == 3 and all(0 <= number <= 255 for number in numbers):
        return numbers[0], numbers[1], numbers[2]
    raise ValueError(
        f"{where}: expected an id from 0 to 65535, a colour such as '128,64,128' or '#804080'"
    )


class Pairs(list):
    """The pairs of a YAML mapping, in their order, with those whose key comes twice."""


class _PairsLoader(yaml.SafeLoader):
    """Keeps a mapping's pairs as a list, so that a key given twice is noticed."""


_PairsLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG,
    lambda loader, node: Pairs(
        (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
        for key, value in node.value
    ),
)


def read_yaml_pairs(path: Path) -> Any:
    """Reads a YAML file whose mappings come as :class:`Pairs`.

    Args:
        path: The file, which exists.

    Returns:
        Its content.

    Raises:
        ValueError: It is not valid YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_PairsLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
