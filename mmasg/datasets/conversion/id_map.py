"""A user's own table from label ids or colours to training ids, from YAML or CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmasg.datasets.class_maps import CLASSES, IGNORE
from mmasg.datasets.label_values import Colour, Pairs, parse_label_value, read_yaml_pairs
from mmasg.datasets.taxonomy import Taxonomy
from mmasg.errors import did_you_mean
from mmasg.files.sound_pair import decode, lossy_format, open_picture
from mmasg.files.text_lines import read_text

from .label_conversion import UNKNOWN, convert_ids, lookup_table, read_ids

IGNORE_WORDS = ("ignore", "ignored", "void")


@dataclass(frozen=True)
class IdMap:
    """What every value of a label file becomes.

    Attributes:
        ids: Training id of every label id; empty for a map of colours.
        colours: Training id of every RGB colour; empty for a map of ids.
        unlisted: ``'error'`` (a value that is not listed makes the file mislabelled) or
            ``'ignore'`` (it becomes 255).
    """

    ids: dict[int, int]
    colours: dict[Colour, int]
    unlisted: str = "error"

    @classmethod
    def of(cls, taxonomy: Taxonomy, dataset: str) -> IdMap:
        """The map of one data set of a taxonomy.

        Args:
            taxonomy: The taxonomy.
            dataset: The data set's name in it.

        Raises:
            ValueError: The taxonomy does not have the data set, or nothing of it.
        """
        table = taxonomy.table(dataset)
        if not table:
            raise ValueError(f"{taxonomy.path} lists nothing for {dataset}")
        return cls(
            {value: new for value, new in table.items() if isinstance(value, int)},
            {value: new for value, new in table.items() if not isinstance(value, int)},
            taxonomy.unlisted,
        )

    def parameters(self) -> dict[str, Any]:
        """The map as JSON can hold it, for the record beside what was converted by it."""
        colours = {",".join(map(str, colour)): new for colour, new in self.colours.items()}
        ids = {str(old): new for old, new in self.ids.items()}
        return dict(ids=ids, colours=colours, unlisted=self.unlisted)

    def convert(self, path: Path) -> np.ndarray:
        """Converts one label file.

        Args:
            path: A picture of ids (grey or palette) or of colours, whichever the map lists.

        Returns:
            Training ids of shape (H, W), uint8.

        Raises:
            ValueError: The file holds values that the map does not list, or the other kind, is
                stored in a lossy format, or is unreadable.
        """
        unknown = UNKNOWN if self.unlisted == "error" else IGNORE
        if self.ids:
            return convert_ids(read_ids(path), lookup_table(self.ids, unknown))
        packed = _read_colours(path)
        keys = np.array([_pack(colour) for colour in self.colours], dtype=np.uint32)
        order = np.argsort(keys)
        keys, values = keys[order], np.array(list(self.colours.values()), np.uint16)[order]
        place = np.searchsorted(keys, packed).clip(max=len(keys) - 1)
        result = np.where(keys[place] == packed, values[place], np.uint16(unknown))
        bad = result == UNKNOWN
        if bad.any():
            listed = [list(_unpack(value)) for value in np.unique(packed[bad])[:10]]
            raise ValueError(
                f"mislabelled: {int(bad.sum())} pixels have colours that the map lacks: {listed}"
            )
        return result.astype(np.uint8)


def load_id_map(path: str | Path, classes: tuple[str, ...] = CLASSES) -> IdMap:
    """Reads a map from a file.

    YAML: ``map:`` with a line a value, ``17: road``, ``'128,64,128': road`` or
    ``'#804080': road``, and optionally ``unlisted: error`` (default) or ``ignore``. CSV: a header
    ``id,class`` or ``red,green,blue,class``, then a line a value. What a value becomes is the
    name of a class, its training id, or ``ignore``.

    Args:
        path: ``*.yaml``, ``*.yml`` or ``*.csv``.
        classes: Names of the training classes. Default: the 19 of Cityscapes.

    Returns:
        The map.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is wrong; the message names the line's value and what is allowed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"--id-map: no file {path.absolute()}; "
            "tools/dataset_converters/id_map_example.yaml is an example"
        )
    if path.suffix in (".yaml", ".yml"):
        pairs, unlisted = _yaml_pairs(path)
    elif path.suffix == ".csv":
        pairs, unlisted = _csv_pairs(path), "error"
    else:
        raise ValueError(f"--id-map {path}: must end in .yaml, .yml or .csv")
    ids: dict[int, int] = {}
    colours: dict[Colour, int] = {}
    for key, name in pairs:
        where = f"{path}: {repr(key)[:80]}: {repr(name)[:80]}"
        value = parse_label_value(key, where)
        target = _train_id(name, classes, where)
        if value in ids or value in colours:
            raise ValueError(f"{where}: the value is listed twice")
        if isinstance(value, tuple):
            colours[value] = target
        else:
            ids[value] = target
    if ids and colours:
        raise ValueError(f"{path} mixes ids and colours; a map holds one kind")
    if not ids and not colours:
        raise ValueError(f"{path} lists nothing")
    return IdMap(ids, colours, unlisted)


def _yaml_pairs(path: Path) -> tuple[list[tuple[Any, Any]], str]:
    content = read_yaml_pairs(path)
    keys = [str(key)[:80] for key, _ in content] if isinstance(content, Pairs) else []
    top = dict(zip(keys, (value for _, value in content), strict=True)) if keys else {}
    if not isinstance(top.get("map"), Pairs) or set(top) - {"map", "unlisted"}:
        raise ValueError(
            f"{path}: expected 'map:' with a value and a class a line, and optionally 'unlisted:'; "
            f"found {sorted(keys)[:10] or type(content).__name__}"
        )
    if len(keys) > len(top):
        raise ValueError(f"{path}: expected 'map:' and 'unlisted:' once, found {keys[:10]}")
    unlisted = top.get("unlisted", "error")
    if unlisted not in ("error", "ignore"):
        raise ValueError(f"{path}: unlisted must be 'error' or 'ignore', not {unlisted!r:.80}")
    return top["map"], unlisted


def _csv_pairs(path: Path) -> list[tuple[Any, Any]]:
    lines = read_text(path).splitlines()
    comma = ";" if ";" in next(iter(lines), "") else ","  # spreadsheets of some countries
    try:
        rows = list(csv.reader(lines, delimiter=comma))
    except csv.Error as error:
        raise ValueError(f"{path} is not a CSV file: {error}") from error
    rows = [row for row in rows if row and not row[0].lstrip().startswith("#")]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if header not in (["id", "class"], ["red", "green", "blue", "class"]):
        raise ValueError(
            f"{path}: the first line must be 'id,class' or 'red,green,blue,class', not "
            f"{','.join(header)[:80]!r}"
        )
    pairs = []
    for row in rows[1:]:
        if len(row) != len(header):
            raise ValueError(
                f"{path}: {','.join(row)!r:.80} has {len(row)} cells, not {len(header)}"
            )
        pairs.append((",".join(cell.strip() for cell in row[:-1]), row[-1].strip()))
    return pairs


def _train_id(name: Any, classes: tuple[str, ...], where: str) -> int:
    text = str(name).strip().lower()
    if text in IGNORE_WORDS or text == str(IGNORE):
        return IGNORE
    if text in classes:
        return classes.index(text)
    if re.fullmatch("[0-9]{1,5}", text) and int(text) < len(classes):
        return int(text)
    raise ValueError(
        f"{where}: not a class; allowed are 'ignore', 0 to {len(classes) - 1}, and "
        f"{', '.join(classes)}.{did_you_mean(text, classes)}"
    )


def _read_colours(path: Path) -> np.ndarray:
    with open_picture(path) as picture:
        lossy = lossy_format(picture)
        if lossy:
            raise ValueError(f"it is stored as {lossy}, which may change colours; get it as PNG")
        if picture.mode not in ("RGB", "RGBA", "P"):
            raise ValueError(
                f"it is a {picture.mode} picture, but the map lists colours; list ids instead"
            )
        decode(picture)
        pixels = np.asarray(picture.convert("RGB")).astype(np.uint32)
    return (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]


def _pack(colour: Iterable[int]) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def _unpack(value: int) -> Colour:
    value = int(value)
    return value >> 16, value >> 8 & 255, value & 255
