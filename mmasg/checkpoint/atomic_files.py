"""Files that are either whole or not there, whenever the process is killed."""

from __future__ import annotations

import io
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from mmengine.fileio import LocalBackend, register_backend

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ATOMIC_BACKEND = "mmasg_atomic_local"
# Names of files being written: hidden, and never taken for a checkpoint.
_TEMPORARY = ".{name}.{unique}.writing"


def write_atomically(content: bytes | memoryview, path: str | Path) -> None:
    """Write a file so that a reader finds the old content or the new one, nothing in between.

    The content goes to a temporary name in the same folder and reaches the disk (fsync) before it
    is renamed; the folder is synced too, so that the order holds across a power failure. While it
    is written the temporary file is locked, by which :func:`remove_leftovers` knows that it is
    somebody's.

    Args:
        content: What the file shall hold.
        path: The file. Its folder is made if it is not there.

    Raises:
        OSError: If the file cannot be written (disk full, no permission, ...), with the space it
            needs and the space there is. What was there before is untouched.
    """
    path = Path(path)
    temporary = path.with_name(_TEMPORARY.format(name=path.name, unique=uuid.uuid4().hex))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _open_locked(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:
                os.replace(temporary, path)  # before the lock goes
        if fcntl is None:
            os.replace(temporary, path)  # Windows renames no open file
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, _explain(error, path, len(content))) from error


def save_atomically(content: Any, path: str | Path) -> None:
    """Write what ``torch.save`` makes of some content, see :func:`write_atomically`."""
    file = io.BytesIO()
    torch.save(content, file)
    write_atomically(file.getbuffer(), path)


def _open_locked(path: Path) -> BinaryIO:
    """Open a new file and lock it."""
    while True:
        file = open(path, "wb")
        # Whoever cleans up may have taken the file away between the two calls.
        if not _lock(file, wait=True) or _is_at(path, file):
            return file
        file.close()


def _is_at(path: Path, file: BinaryIO) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.stat(file.fileno()))


def _lock(file: BinaryIO, wait: bool = False) -> bool:
    """Lock an open file until it is closed or its process dies; False where that cannot be."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # held by another process, or a file system without locks
        return False
    return True


def _explain(error: OSError, path: Path, size: int) -> str:
    folder = next(p for p in (path.parent, *path.parent.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    return (
        f"Could not write {path} ({size / 2**20:.1f} MiB; {free / 2**20:.1f} MiB free on its "
        f"disk): {error.strerror}. What was saved before is whole. Free some space or make the "
        "folder writable (default_hooks.checkpoint.out_dir chooses another one, max_keep_ckpts "
        "keeps fewer checkpoints), then go on with --resume."
    )


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system can sync folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, some network file systems
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def remove_leftovers(folder: str | Path) -> list[Path]:
    """Remove the temporary files which killed processes left in a folder.

    A file that a living process is writing, on this machine or another, is locked and stays. Where
    the file system knows no locks, nothing is removed.

    Args:
        folder: The folder; it need not exist.

    Returns:
        What was removed.
    """
    removed = []
    for path in sorted(Path(folder).glob(_TEMPORARY.format(name="*", unique="*"))):
        try:
            # Locks on network disks ask for a file that is open for writing.
            with open(path, "r+b") as file:
                if _lock(file) and _is_at(path, file):
                    path.unlink()
                    removed.append(path)
        except OSError:  # renamed or removed meanwhile
            continue
    return removed


def is_whole_checkpoint(path: str | Path) -> bool:
    """Whether a checkpoint has been written to its end.

    ``torch.save`` writes a zip file, whose directory comes last: a file cut off has none. A
    checkpoint that is a folder (DeepSpeed, sharded strategies) counts as whole if it is not empty.

    Args:
        path: The checkpoint.
    """
    path = Path(path)
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and zipfile.is_zipfile(path)


@register_backend(ATOMIC_BACKEND, force=True)
class AtomicLocalBackend(LocalBackend):
    """mmengine's backend of the local disk, with writes that are whole or not there."""

    def __init__(self) -> None:
        self._deferred: list[tuple[Path, int]] | None = None

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes, see :func:`write_atomically`."""
        write_atomically(obj, filepath)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        """Write text, see :func:`write_atomically`."""
        write_atomically(obj.encode(encoding), filepath)

    def remove(self, filepath: str | Path) -> None:
        """Remove a file, at once or when :meth:`removals_last` ends."""
        if self._deferred is None:
            super().remove(filepath)
        else:
            self._deferred.append((Path(filepath), os.stat(filepath).st_ino))

    def rmtree(self, dir_path: str | Path) -> None:
        """Remove a folder, at once or when :meth:`removals_last` ends."""
        if self._deferred is None:
            super().rmtree(dir_path)
        else:
            self._deferred.append((Path(dir_path), os.stat(dir_path).st_ino))

    @contextmanager
    def removals_last(self) -> Iterator[None]:
        """Put off removals until the block has come to its end, and drop them if it failed.

        A file that was written anew within the block stays.
        """
        if self._deferred is not None:  # within another such block
            yield
            return
        self._deferred = []
        try:
            yield
            deferred = self._deferred
        finally:
            self._deferred = None
        for path, inode in deferred:
            if path.exists() and os.stat(path).st_ino == inode:
                self.rmtree(path) if path.is_dir() else self.remove(path)
