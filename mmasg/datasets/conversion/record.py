"""How converted labels were made, kept beside them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasg.datasets.conversion_record import record_path
from mmasg.errors import first_of
from mmasg.files.listing import list_files


@dataclass(frozen=True)
class Record:
    """The parameters of a conversion and where they are kept.

    Attributes:
        folder: The folder that the converted labels are below.
        suffix: How their names end.
        parameters: What decides how a label comes out; JSON can hold it.
    """

    folder: Path
    suffix: str
    parameters: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The file, ``conversion_SUFFIX.json``."""
        return record_path(self.folder, self.suffix)

    def agree(self, remade: Collection[Path] = ()) -> bool:
        """Compares with what is kept, and keeps the parameters where no label stays as it is.

        Args:
            remade: Labels that are going to be made again.

        Returns:
            Whether labels stay of which nothing is kept.

        Raises:
            ValueError: Labels that stay were made with other parameters.
        """
        wanted = json.loads(json.dumps(self.parameters))
        kept = self._read()
        if kept == wanted:
            return False
        again = {path.resolve() for path in remade}
        found = list_files(self.folder, [self.suffix], any_case=False)
        staying = [name for name in found if (self.folder / name).resolve() not in again]
        if not staying:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.path.with_name(f".{self.path.name}.part")
            part.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
            part.replace(self.path)
            return False
        if kept is None:
            return True
        raise ValueError(
            f"{len(staying)} label files below {self.folder} were converted in another way "
            f"({self.path.name}): {first_of(_differences(kept, wanted), 5)}. Give --overwrite to "
            "convert all of them again, or --out-dir for another folder"
        )

    def _read(self) -> dict | None:
        if not self.path.is_file():
            return None
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            kept = None
        return kept if isinstance(kept, dict) else {"record": "unreadable"}


def _differences(kept: Mapping, wanted: Mapping, key: str = "") -> list[str]:
    """Names what differs between two nested mappings."""
    found = []
    for name in sorted({*kept, *wanted}):
        old, new = kept.get(name, "nothing"), wanted.get(name, "nothing")
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{key}{name} ")
        elif old != new:
            found.append(f"{key}{name} was {old!r} then and is {new!r} now")
    return found
