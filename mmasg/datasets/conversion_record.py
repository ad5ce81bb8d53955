"""What a converter says of the labels it wrote, so that nobody takes them for other classes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .taxonomy import Taxonomy


@dataclass(frozen=True)
class ConversionRecord:
    """How a folder of labels was made.

    Attributes:
        labels: The data set's name in the taxonomy.
        classes: The common classes; position is the training id.
        values: The values of every class and of ``ignore``, as text.
        size: (width, height) that frames and labels were resized to, or None.
        img_suffix: How the images' names end, or None where the converter made none.
    """

    labels: str
    classes: tuple[str, ...]
    values: dict[str, list[str]]
    size: tuple[int, int] | None = None
    img_suffix: str | None = None

    @classmethod
    def of(
        cls,
        taxonomy: Taxonomy,
        labels: str,
        size: tuple[int, int] | None = None,
        img_suffix: str | None = None,
    ) -> ConversionRecord:
        """The record of a conversion.

        Args:
            taxonomy: The taxonomy in use.
            labels: The data set's name in it.
            size: (width, height) that frames are resized to. Default: not resized.
            img_suffix: How the images' names end. Default: the converter makes none.

        Raises:
            ValueError: The taxonomy does not have the data set.
        """
        values = {name: list(map(str, v)) for name, v in taxonomy.listed(labels).items()}
        return cls(labels, taxonomy.classes, values, size, img_suffix)

    def parameters(self) -> dict[str, Any]:
        """The record as JSON can hold it, for :class:`mmasg.datasets.conversion.record.Record`."""
        return asdict(self)

    def differs(self, taxonomy: Taxonomy) -> str:
        """Says in words how the labels differ from what a taxonomy asks for; empty: they do not.

        Args:
            taxonomy: The taxonomy in use.
        """
        if self.labels not in taxonomy.values:
            return f"they are of {self.labels}, which the taxonomy lacks"
        asked = ConversionRecord.of(taxonomy, self.labels)
        if asked.classes != self.classes:
            return f"they have the classes {list(self.classes)}, not {list(asked.classes)}"
        other = [name for name in asked.values if asked.values[name] != self.values.get(name)]
        return f"other ids became {', '.join(other)}" if other else ""


def record_path(folder: Path, suffix: str) -> Path:
    """Where a converter says how the labels of a folder were made.

    Args:
        folder: The folder that the converted labels are below.
        suffix: How their names end.

    Returns:
        ``conversion_SUFFIX.json`` in the folder.
    """
    return folder / f"conversion{Path(suffix).stem}.json"


def read_record(folder: Path, suffix: str) -> ConversionRecord | None:
    """Reads the record of labels that a taxonomy made.

    Args:
        folder: The folder that the converted labels are below.
        suffix: How their names end.

    Returns:
        The record, or None where there is none.

    Raises:
        ValueError: The file is no such record, as where the labels have Cityscapes' classes.
    """
    path = record_path(folder, suffix)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        size = content["size"]
        return ConversionRecord(
            str(content["labels"]),
            tuple(content["classes"]),
            dict(content["values"]),
            None if size is None else (int(size[0]), int(size[1])),
            content["img_suffix"],
        )
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise ValueError(
            f"{path} does not say by which taxonomy the labels were converted. Convert them by one "
            "(tools/dataset_converters/custom.py --taxonomy), with --overwrite or into another "
            "folder"
        ) from error
