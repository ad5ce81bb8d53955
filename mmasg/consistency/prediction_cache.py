"""Predictions on disk: float16 rows in ``.npy`` shards, found by a key, safe against torn files."""

from __future__ import annotations

import logging
import os
import time
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

_SUFFIX = ".npy"
KEY_BYTES = 16
#: Seconds between two looks for shards that other processes have written meanwhile.
_REFRESH = 20.0


class PredictionCache:
    """A growing store of rows of numbers, shared by the processes that point to its folder.

    Rows are collected in memory and written as a *shard*, a file of its own that appears under
    its final name only when it is complete; a writer never touches a file again, so any number of
    processes may write and read at once without locks. Every shard's name has a checksum; one that
    is cut short or damaged is removed with a warning, and its rows are missing from then on, so
    that whoever looks them up computes and stores them again.

    Args:
        folder: Where the shards are; made if it does not exist.
        width: Length of a row.
        rows_per_shard: Rows that are collected before a shard is written. Defaults to 2048
            (4 MB with 1,000 classes).

    Raises:
        ValueError: ``rows_per_shard`` is not positive.
        OSError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path, width: int, rows_per_shard: int = 2048) -> None:
        if rows_per_shard < 1:
            raise ValueError(f"rows_per_shard must be at least 1, got {rows_per_shard!r}")
        self.folder = Path(folder)
        self.width = width
        self.rows_per_shard = rows_per_shard
        self.folder.mkdir(parents=True, exist_ok=True)
        self._rows: dict[bytes, np.ndarray] = {}
        self._read: set[str] = set()
        self._pending: dict[bytes, np.ndarray] = {}
        self._last_look = 0.0
        self.refresh()

    def __len__(self) -> int:
        return len(self._rows)

    def lookup(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        """Find rows.

        Args:
            keys: ``KEY_BYTES`` bytes each.

        Returns:
            For each key its row, (width,) float16, or None where it is not known.
        """
        if any(key not in self._rows for key in keys):
            if time.monotonic() - self._last_look > _REFRESH:
                self.refresh()
        return [self._rows.get(key) for key in keys]

    def store(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows; known keys keep the row they have.

        Args:
            keys: ``KEY_BYTES`` bytes each.
            rows: (len(keys), width), any float type; kept as float16.

        Raises:
            ValueError: Shape or key length is wrong, or a number does not fit float16.
        """
        with np.errstate(over="ignore"):  # said below, with a remedy
            half = np.asarray(rows).astype(np.float16)
        if half.shape != (len(keys), self.width) or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(
                f"expected {len(keys)} keys of {KEY_BYTES} bytes and rows of shape "
                f"{(len(keys), self.width)}, got rows of shape {half.shape}"
            )
        if not np.isfinite(half).all():
            raise ValueError(
                "predictions that are not finite, or beyond 65504, cannot be kept in float16; "
                "train without teacher_cache"
            )
        for key, row in zip(keys, half, strict=True):
            if key not in self._rows:
                self._rows[key] = self._pending[key] = row.copy()
        if len(self._pending) >= self.rows_per_shard:
            self.flush()

    def flush(self) -> None:
        """Write what is not yet on disk, as one shard."""
        if not self._pending:
            return
        records = np.empty(len(self._pending), _record(self.width))
        records["key"] = np.frombuffer(b"".join(self._pending), np.uint8).reshape(-1, KEY_BYTES)
        records["row"] = list(self._pending.values())
        name = f"{uuid.uuid4().hex}-{_checksum(records)}{_SUFFIX}"
        temporary = self.folder / f"{name}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            np.save(file, records)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.folder / name)
        self._read.add(name)
        self._pending.clear()

    def refresh(self) -> None:
        """Read the shards that have come since the last look."""
        self._last_look = time.monotonic()
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            if path.name in self._read:
                continue
            self._read.add(path.name)
            try:
                keys, rows = self._read_shard(path)
            except FileNotFoundError:  # another process has found it torn, and removed it
                continue
            except ValueError as error:
                print_log(
                    f"teacher_cache: {path} is damaged ({error}); removed, its predictions are "
                    "computed again",
                    logger="current",
                    level=logging.WARNING,
                )
                path.unlink(missing_ok=True)
                continue
            for key, row in zip(keys, rows, strict=True):
                self._rows.setdefault(key, row)

    def _read_shard(self, path: Path) -> tuple[list[bytes], np.ndarray]:
        """Read one shard; the rows stay on disk until they are used."""
        try:
            # Not numpy.load, which takes archives for arrays as well.
            records = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError) as error:
            raise ValueError(f"it is torn: {error}") from None
        if records.dtype != _record(self.width) or records.ndim != 1:
            raise ValueError(f"it holds {records.dtype} of shape {records.shape}")
        if path.stem.rpartition("-")[2] != _checksum(records):
            raise ValueError("its checksum is wrong")
        return [key.tobytes() for key in records["key"]], records["row"]


def _record(width: int) -> np.dtype:
    return np.dtype([("key", np.uint8, KEY_BYTES), ("row", np.float16, width)])


def _checksum(records: np.ndarray) -> str:
    return f"{zlib.crc32(records.tobytes()):08x}"
