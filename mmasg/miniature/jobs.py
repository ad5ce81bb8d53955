"""What a generator of miniature data hands to the tool that runs it.

A generator is a :class:`Task`: it plans the files that are still missing as a list of jobs, which
any number of processes work off in any order, and finishes with its lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from mmasg.checkpoint.atomic_files import write_atomically


@dataclass(frozen=True)
class Job:
    """One frame to make: ``function(*arguments)``; the function is importable by name."""

    function: Callable[..., None]
    arguments: tuple[Any, ...]


def run_job(job: Job) -> None:
    """Make one frame. OpenCV's own threads are off: processes share the cores already."""
    cv2.setNumThreads(0)
    job.function(*job.arguments)


@dataclass(frozen=True)
class Task:
    """A generator of one kind of data.

    Attributes:
        name: As on the command line.
        version: Counted up whenever the same seed makes other files.
        plan: ``plan(out, seed)`` lists the jobs whose files are missing.
        finish: ``finish(out, seed)`` writes lists and the like, after all jobs.
        folders: What lies below ``out`` afterwards, for the report.
        prepare: Called once before processes are forked, to share what is costly to load.
    """

    name: str
    version: int
    plan: Callable[[Path, int], list[Job]]
    finish: Callable[[Path, int], None]
    folders: tuple[str, ...]
    prepare: Callable[[], object] = tuple


def check_stamp(out: Path, task: Task, seed: int) -> None:
    """Refuse to mix frames of two seeds or versions in one folder.

    Args:
        out: The data folder.
        task: The generator.
        seed: The seed asked for.

    Raises:
        ValueError: The folder holds the task's frames of another seed or version.
    """
    path = _stamp(out, task)
    wanted = {"seed": seed, "version": task.version}
    if path.is_file():
        found = json.loads(path.read_text())
        if found != wanted:
            raise ValueError(
                f"{out} holds {task.name} frames made with {found}, asked for were {wanted}: give "
                f"another --out, or --overwrite to make them anew."
            )
    write_atomically((json.dumps(wanted) + "\n").encode(), path)


def remove_stamp(out: Path, task: Task) -> None:
    """Forget what made the frames in a folder."""
    _stamp(out, task).unlink(missing_ok=True)


def _stamp(out: Path, task: Task) -> Path:
    return out / f".miniature_{task.name}.json"
