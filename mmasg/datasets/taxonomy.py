"""A taxonomy: the classes that several data sets share, and what they are called in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasg.errors import did_you_mean, first_of, wrong

from .class_maps import IGNORE
from .label_values import LabelValue, Pairs, parse_label_value, read_yaml_pairs

_FORM = (
    "a mapping with 'classes:' (a line a class: 'road: {carla_0.9.10: [6, 7], camvid: [3]}'), and "
    "optionally 'ignore:' (a line a data set) and 'unlisted: error' or 'ignore'"
)


@dataclass(frozen=True)
class Taxonomy:
    """The common classes of some data sets.

    Attributes:
        path: The file it was read from.
        classes: Names of the common classes; their order numbers them from 0.
        values: For every data set what each value of its label files (an id, or a colour)
            becomes: the number of a class, or 255 for those that are ignored.
        unlisted: ``'error'`` (a value that is not listed makes a label file mislabelled) or
            ``'ignore'`` (it becomes 255).
    """

    path: Path
    classes: tuple[str, ...]
    values: dict[str, dict[LabelValue, int]]
    unlisted: str = "error"

    def table(self, dataset: str) -> dict[LabelValue, int]:
        """What every listed value of a data set becomes.

        Args:
            dataset: Its name in the file.

        Raises:
            ValueError: The file does not have it.
        """
        if dataset not in self.values:
            raise ValueError(
                wrong(
                    f"{self.path}",
                    dataset,
                    f"its data sets {sorted(self.values)}",
                    "Add the ids of this one to every class."
                    + did_you_mean(dataset, self.values, cutoff=0.5),
                )
            )
        return self.values[dataset]

    def ids(self, dataset: str) -> dict[int, int]:
        """As :meth:`table`, of a data set whose labels are ids.

        Args:
            dataset: Its name in the file.

        Raises:
            ValueError: The file does not have it, or lists its colours.
        """
        table = self.table(dataset)
        ids = {value: new for value, new in table.items() if isinstance(value, int)}
        if len(ids) < len(table):
            raise ValueError(
                wrong(f"{self.path}: {dataset}", "colours", "ids, which its converter reads")
            )
        return ids

    def listed(self, dataset: str) -> dict[str, list[LabelValue]]:
        """The values of every class of a data set, sorted; under ``'ignore'`` the ignored ones.

        Args:
            dataset: Its name in the file.

        Raises:
            ValueError: The file does not have it.
        """
        table = self.table(dataset)
        names = {**dict(enumerate(self.classes)), IGNORE: "ignore"}
        return {
            name: sorted((value for value, new in table.items() if new == index), key=repr)
            for index, name in names.items()
        }

    def lacking(self, dataset: str) -> tuple[str, ...]:
        """The classes that a data set has not at all (``[]`` in the file).

        Args:
            dataset: Its name in the file.

        Raises:
            ValueError: The file does not have it.
        """
        return tuple(
            name for name, values in self.listed(dataset).items() if not values and name != "ignore"
        )


def load_taxonomy(path: str | Path) -> Taxonomy:
    """Reads a taxonomy and checks all of it.

    ::

        classes:
          road: {carla_0.9.10: [6, 7], camvid: [3]}
          sidewalk: {carla_0.9.10: [8], camvid: [4]}
          train: {carla_0.9.10: [], camvid: [9]}     # [] says: this one has none, on purpose
        ignore: {carla_0.9.10: [0, 3], camvid: [10, 11]}
        unlisted: error

    What is listed are ids, or colours as ``'128,64,128'`` or ``'#804080'``.

    Args:
        path: The YAML file.

    Returns:
        The taxonomy.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has another form; a class is there on one side only; a value of a
            data set has two classes, or one class twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"taxonomy: no file {path.absolute()}; configs/taxonomies/carla_camvid.yaml is an "
            "example"
        )
    top = _mapping(read_yaml_pairs(path), f"{path}", _FORM)
    unknown = [key for key in top if key not in ("classes", "ignore", "unlisted")]
    if "classes" not in top or unknown:
        raise ValueError(wrong(f"{path}", sorted(map(str, top)), _FORM))
    unlisted = top.get("unlisted", "error")
    if unlisted not in ("error", "ignore"):
        raise ValueError(wrong(f"{path}: unlisted", unlisted, "'error' or 'ignore'"))
    classes = _mapping(top["classes"], f"{path}: classes", "a line a class")
    if not 1 <= len(classes) <= IGNORE:
        raise ValueError(wrong(f"{path}: classes", len(classes), f"1 to {IGNORE} classes"))
    if "ignore" in classes:
        raise ValueError(f"{path}: classes: 'ignore' is no class; it stands beside 'classes'")
    rows = [
        (name, _mapping(row, f"{path}: classes.{name}", "{data set: [ids]}"))
        for name, row in classes.items()
    ]
    datasets = list(dict.fromkeys(dataset for _, row in rows for dataset in row))
    if not datasets:
        raise ValueError(wrong(f"{path}: classes", "no data set", "{data set: [ids]} a class"))
    _check_sides(path, rows, datasets)
    ignored = _mapping(top.get("ignore", Pairs()), f"{path}: ignore", "{data set: [ids]}")
    strange = [name for name in ignored if name not in datasets]
    if strange:
        raise ValueError(
            wrong(f"{path}: ignore", strange, f"the data sets of the classes, {datasets}")
        )
    values: dict[str, dict[LabelValue, int]] = {dataset: {} for dataset in datasets}
    numbered = [(index, name, row) for index, (name, row) in enumerate(rows)]
    names = [str(name) for name, _ in rows]
    for index, name, row in [*numbered, (IGNORE, "ignore", ignored)]:
        for dataset, listed in row.items():
            where = f"{path}: {name}, {dataset}"
            _add(values[dataset], listed, index, names, where)
    for dataset, table in values.items():
        if len({isinstance(value, tuple) for value in table}) > 1:
            raise ValueError(f"{path}: {dataset} mixes ids and colours; a data set has one kind")
    return Taxonomy(path, tuple(names), values, unlisted)


def _check_sides(path: Path, rows: Iterable[tuple[str, dict]], datasets: list) -> None:
    """Every class says of every data set what it is there, be it ``[]``."""
    gaps = [
        f"{name} has no {dataset}"
        for name, row in rows
        for dataset in datasets
        if dataset not in row
    ]
    if gaps:
        raise ValueError(
            f"{path}: classes on one side only: {first_of(gaps, 5)}. Write the ids, or [] where a "
            "data set has none on purpose"
        )


def _add(
    table: dict[LabelValue, int], listed: Any, new: int, classes: list[str], where: str
) -> None:
    if not isinstance(listed, list) or isinstance(listed, Pairs):
        raise ValueError(wrong(where, listed, "a list of ids or colours, such as [6, 7]"))
    for entry in listed:
        value = parse_label_value(entry, where)
        if value in table:
            old = table[value]
            has = "ignore" if old == IGNORE else classes[old]
            raise ValueError(
                f"{where}: {entry!r} is listed twice (it is in {has!r} already); a value has one "
                "class"
            )
        table[value] = new


def _mapping(content: Any, where: str, allowed: str) -> dict:
    """A dict out of pairs, no key of which may come twice."""
    if not isinstance(content, Pairs):
        raise ValueError(wrong(where, content, allowed))
    result: dict = {}
    for key, value in content:
        if key in result:
            raise ValueError(f"{where}: {key!r} is there twice; write it once, with all its ids")
        result[key] = value
    return result
