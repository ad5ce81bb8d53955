"""What a pixel of a label file may hold, an id or a colour, as people write it in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mmasg.files.text_lines import read_text

_MOST = 300_000  # a map of all 65536 ids has fewer
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
        ValueError: It is no text, not valid YAML, or nests lists as no map does.
    """
    text = read_text(path)
    try:
        content = yaml.load(text, Loader=_PairsLoader)
    except Exception as error:  # PyYAML's constructors raise anything for values of a wrong form
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is not valid YAML: {reason}") from error
    # Aliases make of a few lines more lists within lists than memory holds.
    todo, values = [(content, 0)], 0
    while todo:
        part, depth = todo.pop()
        values += 1
        if depth > 8 or values > _MOST:
            raise ValueError(f"{path}: lists within lists, or more than {_MOST} values")
        if isinstance(part, (list, tuple, set, dict)):
            todo += [(inner, depth + 1) for inner in part]
    return content
