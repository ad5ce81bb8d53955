"""Runs of video among the names of frames, and splits that keep every run whole.

Frames of one run look alike; a random split puts neighbours on both sides, and what is measured on
the one side has then been trained on.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePosixPath

from mmasg.errors import first_of, wrong

# 2017-10-15_03-57-12, 20171015T035712.250: date and time with anything or nothing between.
_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_T .]?([0-2]\d)[-_:.]?([0-5]\d)[-_:.]?"
    r"([0-6]\d)(?:[._](\d{1,6}))?(?!\d)"
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?=\D*$)")


@dataclass(frozen=True)
class Run:
    """Frames that were recorded in one go.

    Attributes:
        name: What its frames' names share, with its first number; for people.
        frames: The frames' names, in their order.
    """

    name: str
    frames: tuple[str, ...]


def find_runs(
    names: Iterable[str], gap: float | None = None, pattern: str | None = None
) -> list[Run]:
    """Groups frames into runs by what their names say.

    A name is read as what comes before its last number, and that number: ``town1/000123`` is
    number 123 of ``town1/``. A date with a time (``20171015_035712``) is read as seconds. Frames
    with one beginning whose numbers lie close together are a run; a step of more than ``gap``
    begins the next. Names without any number are a run of their own folder.

    Args:
        names: Paths without suffix, as in a list of frames.
        gap: Largest step within a run, in the names' own unit (frames, or seconds). Default: a
            hundred times the median step of all frames. That is wide on purpose: two runs taken
            for one cost a little choice, one run taken for two puts neighbours on both sides.
        pattern: Regular expression with a group ``run`` (and, optionally, ``frame``, a number),
            searched for in every name instead; without ``frame`` every value of ``run`` is a run.

    Returns:
        The runs, by their first frames' names.

    Raises:
        ValueError: There are no names, ``gap`` is not positive, or ``pattern`` has no group
            ``run`` or does not fit a name.
    """
    names = sorted(set(names))
    if not names:
        raise ValueError("there are no frames to find runs in")
    if gap is not None and not gap > 0:
        raise ValueError(wrong("--gap", gap, "a number above 0"))
    places: dict[str, list[tuple[float, str]]] = defaultdict(list)
    read = _by_pattern(pattern) if pattern is not None else _by_numbers
    for name in names:
        beginning, number = read(name)
        places[beginning].append((number, name))
    for listed in places.values():
        listed.sort()
    limit = _usual_gap(places.values()) if gap is None else gap
    runs = []
    for beginning, listed in places.items():
        current = [listed[0][1]]
        for (before, _), (here, name) in zip(listed, listed[1:], strict=False):
            if here - before > limit:
                runs.append(_run(beginning, current))
                current = []
            current.append(name)
        runs.append(_run(beginning, current))
    return sorted(runs, key=lambda run: run.frames[0])


def split_runs(
    runs: Sequence[Run], shares: Mapping[str, float], seed: int = 0
) -> dict[str, list[str]]:
    """Deals whole runs to splits.

    Runs are ranked by a hash of seed and first frame; every split takes runs in this order
    whenever one brings it nearer to its share of the frames. What is left is for training.

    Args:
        runs: From :func:`find_runs`.
        shares: Share of the frames of every split but ``'train'``, such as ``{'val': 0.1}``.
        seed: Another seed gives another split. Default 0.

    Returns:
        Sorted names of every split, ``'train'`` first.

    Raises:
        ValueError: The shares leave nothing to train on, or there are fewer runs than splits.
    """
    if not all(share > 0 for share in shares.values()) or not 0 < sum(shares.values()) < 1:
        raise ValueError(wrong("shares", dict(shares), "shares above 0 that sum to less than 1"))
    if len(runs) <= len(shares):
        raise ValueError(
            wrong(
                "the frames",
                f"{len(runs)} run(s): {first_of([run.name for run in runs], 3)}",
                f"at least {len(shares) + 1}, one a split",
                "A run is kept whole. Set --gap (less than the steps between runs) or --pattern.",
            )
        )
    left = sorted(
        runs, key=lambda run: hashlib.sha256(f"{seed}/{run.frames[0]}".encode()).hexdigest()
    )
    total = sum(len(run.frames) for run in runs)
    dealt: dict[str, list[Run]] = {}
    for place, (split, share) in enumerate(shares.items()):
        wanted, taken = share * total, 0
        dealt[split] = []
        spare = len(shares) - place  # runs that later splits and the training need
        for run in list(left):
            size = len(run.frames)
            if len(left) > spare and abs(taken + size - wanted) < abs(taken - wanted):
                dealt[split].append(run)
                left.remove(run)
                taken += size
        if not dealt[split]:  # every run is more than twice the share: the smallest one
            smallest = min(left, key=lambda run: len(run.frames))
            dealt[split].append(smallest)
            left.remove(smallest)
    return {
        split: sorted(name for run in some for name in run.frames)
        for split, some in {"train": left, **dealt}.items()
    }


def _by_numbers(name: str) -> tuple[str, float]:
    """Beginning and number of a name; times in seconds."""
    path = PurePosixPath(name)
    folder = f"{path.parent}/" if str(path.parent) != "." else ""
    time = _TIME.search(path.name)
    if time is not None:
        seconds = _seconds(time)
        if seconds is not None:
            return folder + path.name[: time.start()], seconds
    number = _NUMBER.search(path.name)
    if number is None:
        return f"{folder}\n", 0.0  # no name with a number begins so
    return folder + path.name[: number.start()], float(number[0])


def _seconds(time: re.Match) -> float | None:
    fraction = float(f"0.{time[7]}") if time[7] else 0.0
    try:
        moment = datetime(*map(int, time.groups()[:6]), tzinfo=timezone.utc)  # type: ignore[misc,arg-type]
    except ValueError:  # digits that are no date
        return None
    return moment.timestamp() + fraction


def _by_pattern(pattern: str):
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            wrong("--pattern", pattern, "a regular expression", f"{error}.")
        ) from error
    if "run" not in compiled.groupindex:
        raise ValueError(wrong("--pattern", pattern, "one with a group (?P<run>...)"))

    def read(name: str) -> tuple[str, float]:
        found = compiled.search(name)
        if found is None:
            raise ValueError(wrong("--pattern", pattern, f"one that fits every name; {name!r} not"))
        number = found["frame"] if "frame" in compiled.groupindex else "0"
        try:
            return found["run"], float(number)
        except ValueError:
            raise ValueError(
                wrong("--pattern", pattern, f"(?P<frame>...) a number; in {name!r} {number!r}")
            ) from None

    return read


def _usual_gap(places: Iterable[list[tuple[float, str]]]) -> float:
    steps = sorted(
        here - before
        for listed in places
        for (before, _), (here, _) in zip(listed, listed[1:], strict=False)
        if here > before
    )
    return 100 * steps[len(steps) // 2] if steps else float("inf")


def _run(beginning: str, frames: list[str]) -> Run:
    return Run(f"{beginning.strip() or frames[0]}[{len(frames)}]", tuple(frames))
