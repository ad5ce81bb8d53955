"""Turns label files into PNGs of training ids: in parallel, restartable, with a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmasg.datasets.class_maps import IGNORE
from mmasg.errors import first_of
from mmasg.files.parallel import parallel_map
from mmasg.files.sound_pair import ids_of, open_picture

from .record import Record

UNKNOWN = 256  # what a lookup table holds for ids that the mapping does not know


class Job(NamedTuple):
    """One label file to convert.

    Attributes:
        source: The file as downloaded.
        target: Where the training ids go.
        image: The picture that the label belongs to, whose size it must have; or None.
    """

    source: Path
    target: Path
    image: Path | None = None


@dataclass
class ConversionReport:
    """What became of the files.

    Attributes:
        written: Number of files converted now.
        skipped: Number of files that an earlier run had finished.
        failed: Source and reason of every file that was not converted.
        empty: Converted files in which every pixel is ignored.
        unknown: Of the skipped files nothing says how they were made.
    """

    written: int = 0
    skipped: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    unknown: bool = False

    @property
    def exit_code(self) -> int:
        """1 when a file failed, otherwise 0."""
        return 1 if self.failed else 0

    def text(self, limit: int = 20) -> str:
        """The report in words.

        Args:
            limit: How many files are named at most, a kind. Default 20.
        """
        lines = [
            f"{self.written} label files written, {self.skipped} were there already, "
            f"{len(self.failed)} failed"
        ]
        if self.unknown:
            lines.append(
                "Nothing says how the files that were there already were made: --overwrite makes "
                "them again."
            )
        lines += [f"  FAILED {path}: {reason}" for path, reason in self.failed[:limit]]
        if len(self.failed) > limit:
            lines.append(f"  ... and {len(self.failed) - limit} more")
        if self.empty:
            lines.append(f"{len(self.empty)} files have no labelled pixel: "
                         f"{first_of([path.name for path in self.empty], 5)}")  # fmt: skip
        if self.failed:
            lines.append(
                "Mend or remove the failed files and start the same command again: finished "
                "files are skipped."
            )
        return "\n".join(lines)


def lookup_table(mapping: Mapping[int, int], unknown: int = UNKNOWN) -> np.ndarray:
    """A table for :func:`convert_ids`.

    Args:
        mapping: Training id (0 to 255) of every known id (0 to 65535; negative ones, such as
            Cityscapes' license plate, cannot occur in a file and are left out).
        unknown: Value for all other ids; the default marks a file that has one as mislabelled.

    Returns:
        Array of shape (65536,), uint16.
    """
    table = np.full(65536, unknown, dtype=np.uint16)
    for old, new in mapping.items():
        if old >= 0:
            table[old] = new
    return table


def read_ids(path: Path) -> np.ndarray:
    """Reads a label file of ids.

    Args:
        path: A palette or grey PNG (or any other lossless format Pillow reads).

    Returns:
        Ids of shape (H, W), 0 to 65535; of a palette picture its indices.

    Raises:
        ValueError: The picture has colours where ids are due, holds other values, is stored in a
            lossy format, or is unreadable or truncated.
    """
    with open_picture(path) as picture:
        return ids_of(picture, most=65535)


def convert_ids(ids: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Maps ids to training ids.

    Args:
        ids: Ids of shape (H, W).
        table: From :func:`lookup_table`.

    Returns:
        Training ids of shape (H, W), uint8.

    Raises:
        ValueError: There are ids that the table does not know; the message lists them, and says
            so when the file looks converted already.
    """
    result = table[ids.astype(np.uint16)]
    bad = result == UNKNOWN
    if bad.any():
        unknown = np.unique(ids[bad])
        text = f"mislabelled: {int(bad.sum())} pixels have unknown ids {unknown[:10].tolist()}"
        if unknown.tolist() == [IGNORE] and int(ids[~bad].max(initial=0)) <= 18:
            text += " and no id is above 18: it holds training ids already"
        raise ValueError(text)
    return result.astype(np.uint8)


def convert_id_file(path: Path, table: np.ndarray) -> np.ndarray:
    """:func:`read_ids` and :func:`convert_ids`."""
    return convert_ids(read_ids(path), table)


def run_conversion(
    jobs: Sequence[Job],
    convert: Callable[[Path], np.ndarray],
    workers: int = 0,
    overwrite: bool = False,
    title: str = "labels",
    record: Record | None = None,
) -> ConversionReport:
    """Converts files in parallel.

    A target that exists is finished: it is written under another name and renamed at the end, so
    that an interrupted run leaves no half file under the final name. To overwrite is to delete
    all targets first, so that an interrupted run leaves none that was made in another way.

    Args:
        jobs: The files.
        convert: Gives the training ids, (H, W) uint8, of a source file; raises ``ValueError`` or
            ``OSError`` for a bad one. Must be importable by name (or a partial of such).
        workers: Processes; 0: one a core.
        overwrite: Convert finished files as well. Default False.
        title: In front of the progress bar.
        record: How the labels are made, kept beside them. Default: not kept.

    Returns:
        The report.

    Raises:
        ValueError: There are no jobs, two write the same file, or the finished files were made in
            another way than ``record`` says.
        PermissionError: A target's folder cannot be written.
    """
    if not jobs:
        raise ValueError("there is nothing to convert")
    targets = {job.target for job in jobs}
    if len(targets) != len(jobs):
        raise ValueError(f"{len(jobs)} label files would be written to {len(targets)} names")
    clash = targets & {job.source for job in jobs}
    if clash:
        raise ValueError(f"{min(clash)} would be overwritten by its own conversion")
    for folder in {job.target.parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(
                f"no permission to write to {folder}: choose another folder by --out-dir"
            )
    report = ConversionReport()
    if record is not None:
        report.unknown = record.agree(targets if overwrite else ())
    if overwrite:
        for target in targets:
            target.unlink(missing_ok=True)
    todo = [job for job in jobs if not job.target.exists()]
    report.skipped = len(jobs) - len(todo)
    results = parallel_map(partial(_convert_one, convert=convert), todo, workers, title)
    for job, (error, empty) in zip(todo, results, strict=True):
        if error:
            report.failed.append((job.source, error))
            continue
        report.written += 1
        if empty:
            report.empty.append(job.target)
    return report


def _convert_one(job: Job, convert: Callable[[Path], np.ndarray]) -> tuple[str | None, bool]:
    """Converts one file; returns the reason of a failure and whether all pixels are ignored."""
    try:
        labels = convert(job.source)
        if job.image is not None:
            with open_picture(job.image) as picture:
                size = picture.size
            if size != labels.shape[::-1]:
                height, width = labels.shape
                return f"label is {width}x{height}, image {job.image} {size[0]}x{size[1]}", False
        part = job.target.with_name(f".{job.target.stem}.part{job.target.suffix}")
        Image.fromarray(labels).save(part, format="PNG")
        os.replace(part, job.target)
    except (ValueError, OSError) as error:
        return f"{error}" or "it cannot be converted", False
    return None, bool((labels == IGNORE).all())
