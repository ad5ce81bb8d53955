"""The single objects on disk, in VisDA-17's layout."""

from __future__ import annotations

from pathlib import Path

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.datasets.visda import VISDA_CLASSES

from .files import write_png
from .jobs import Job, Task
from .objects import SPLITS, draw_object


def _name(index: int) -> str:
    return f"{VISDA_CLASSES[index % len(VISDA_CLASSES)]}/{index:05d}.png"


def write_object(out: Path, seed: int, split: str, index: int) -> None:
    """Make one picture."""
    picture, _ = draw_object(split, index, seed)
    write_png(out / "visda" / split / _name(index), picture)


def _plan(out: Path, seed: int) -> list[Job]:
    return [
        Job(write_object, (out, seed, split, index))
        for split, count in SPLITS.items()
        for index in range(count)
        if not (out / "visda" / split / _name(index)).is_file()
    ]


def _finish(out: Path, seed: int) -> None:
    for split, count in SPLITS.items():
        lines = sorted((index % len(VISDA_CLASSES), _name(index)) for index in range(count))
        text = "".join(f"{name} {label}\n" for label, name in lines)
        write_atomically(text.encode(), out / "visda" / split / "image_list.txt")


OBJECTS = Task(name="objects", version=1, plan=_plan, finish=_finish, folders=("visda",))
