"""What a converter says of the labels it wrote, so that nobody takes them for other classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from mmasg.errors import wrong

from .taxonomy import Taxonomy

RECORD_NAME = "conversion.yaml"


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

    def write(self, folder: Path) -> None:
        """Writes ``conversion.yaml`` into a folder, whole or not at all."""
        content: dict[str, Any] = {**asdict(self), "classes": list(self.classes)}
        content["size"] = None if self.size is None else list(self.size)
        part = folder / f".{RECORD_NAME}.part"
        part.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        part.replace(folder / RECORD_NAME)

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


def read_record(folder: Path) -> ConversionRecord | None:
    """Reads the record of a folder.

    Args:
        folder: Holds converted labels.

    Returns:
        The record, or None where there is none.

    Raises:
        ValueError: The file is no such record.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        size = content["size"]
        return ConversionRecord(
            str(content["labels"]),
            tuple(content["classes"]),
            dict(content["values"]),
            None if size is None else (int(size[0]), int(size[1])),
            content["img_suffix"],
        )
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            wrong(
                str(path),
                f"{type(error).__name__}: {error}",
                "what a converter wrote",
                "Convert again with --overwrite.",
            )
        ) from error


def begin_conversion(
    record: ConversionRecord, folder: Path, targets: Iterable[Path], overwrite: bool
) -> None:
    """Writes the record before the labels, and lets no label of another conversion stay.

    Args:
        record: Of the conversion that begins.
        folder: Where the labels go; made where it is missing.
        targets: All label files that it will write.
        overwrite: Whether finished files are converted again.

    Raises:
        ValueError: The folder's labels were converted in another way, and are not overwritten.
    """
    old = read_record(folder)
    if old is not None and old != record:
        if not overwrite:
            raise ValueError(
                wrong(
                    str(folder / RECORD_NAME),
                    f"{old.labels}, size {old.size}",
                    f"what is asked for now ({record.labels}, size {record.size}, and the same "
                    "classes and ids)",
                    "Convert everything again with --overwrite, or choose another folder.",
                )
            )
        # Should this run be interrupted, no label of the old kind may pass for one of the new.
        for target in targets:
            target.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder)
