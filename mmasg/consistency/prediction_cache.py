"""Predictions on disk: float16 rows in shards, found by a key, safe against torn files."""

from __future__ import annotations

import json
import logging
import os
import struct
import time
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

_MAGIC = b"ASGPRED1"
_SUFFIX = ".shard"
KEY_BYTES = 16
#: Seconds between two looks for shards that other processes have written meanwhile.
_REFRESH = 20.0


class PredictionCache:
    """A growing store of rows of numbers, shared by the processes that point to its folder.

    Rows are collected in memory and written as a *shard*, a file of its own that appears under
    its final name only when it is complete; a writer never touches a file again, so any number of
    processes may write and read at once without locks. Every shard carries a checksum; one that
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
        payload = b"".join(self._pending) + np.stack(list(self._pending.values())).tobytes()
        header = json.dumps(
            {"rows": len(self._pending), "width": self.width, "crc32": zlib.crc32(payload)}
        ).encode()
        name = f"{uuid.uuid4().hex}{_SUFFIX}"
        temporary = self.folder / f"{name}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            file.write(_MAGIC + struct.pack("<I", len(header)) + header + payload)
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
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("no shard of this version")
            length = file.read(4)
            header_size = struct.unpack("<I", length)[0] if len(length) == 4 else 0
            try:
                header = json.loads(file.read(header_size))
                count, width, checksum = (header[k] for k in ("rows", "width", "crc32"))
            except (ValueError, KeyError, TypeError):
                raise ValueError("its header is torn") from None
            offset = file.tell()
            expected = offset + count * (KEY_BYTES + 2 * width)
            if os.fstat(file.fileno()).st_size != expected or width != self.width:
                raise ValueError("its size is wrong")
            actual = 0
            while block := file.read(1 << 22):
                actual = zlib.crc32(block, actual)
            if actual != checksum:
                raise ValueError("its checksum is wrong")
            file.seek(offset)
            packed = file.read(count * KEY_BYTES)
        keys = [packed[i : i + KEY_BYTES] for i in range(0, len(packed), KEY_BYTES)]
        rows = np.memmap(
            path, np.float16, "r", offset=offset + count * KEY_BYTES, shape=(count, width)
        )
        return keys, rows
