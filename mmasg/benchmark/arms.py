"""What is compared: a task, and the variants of the method that are trained on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mmasg.errors import did_you_mean


@dataclass(frozen=True)
class Arm:
    """One variant of the method on one task.

    Args:
        task: ``'seg'`` or ``'cls'``.
        name: Short name, unique within the task.
        config: Config file, relative to the repository.
        title: As tables and pictures call it.
        options: Settings that override the config's, as ``--cfg-options`` takes them.
    """

    task: str
    name: str
    config: str
    title: str
    options: tuple[str, ...] = field(default=())

    @property
    def key(self) -> str:
        """Name of the arm's folder below the work dir."""
        return f"{self.task}_{self.name}"


def select(arms: Iterable[Arm], only: list[str] | None) -> list[Arm]:
    """Return the arms whose key or task is named, all of them without names.

    Raises:
        ValueError: A name that is neither; lists what there is.
    """
    arms = list(arms)
    if not only:
        return arms
    known = sorted({a.key for a in arms} | {a.task for a in arms})
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"--only: got {name!r}, allowed are {', '.join(known)}.{hint}")
    return [a for a in arms if a.key in only or a.task in only]
