"""Read the scalars that mmengine's runs write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

MULTIPLIER = "lr_mult/"


def read_scalars(work_dir: str | Path) -> list[dict]:
    """Return the training records of a work dir, one a logged step, in order of the step.

    A run that was resumed has several logs; where they overlap, the later one wins.

    Raises:
        FileNotFoundError: The folder holds no log.
    """
    return read_records(work_dir, lambda record: "loss" in record)


def read_multipliers(work_dir: str | Path) -> dict[int, dict[str, float]]:
    """Return the layer groups' multipliers in force after each logged step, by step.

    Args:
        work_dir: Work dir of a training with ``LayerLRPolicyHook`` or ``GroupPolicyHook``. Of a
            resumed run's logs the later one wins where they overlap.

    Raises:
        FileNotFoundError: The folder holds no log.
        ValueError: The log has no multipliers, or those of different trainings.
    """
    records = read_records(
        work_dir, lambda record: any(key.startswith(MULTIPLIER) for key in record)
    )
    if not records:
        raise ValueError(
            f"The log in {str(work_dir)!r} has no '{MULTIPLIER}<group>': was LayerLRPolicyHook in "
            "the run? Give the work dir of a training with it"
        )
    by_step = {
        record["step"]: {
            key[len(MULTIPLIER) :]: value
            for key, value in record.items()
            if key.startswith(MULTIPLIER)
        }
        for record in records
    }
    groups = {tuple(row) for row in by_step.values()}
    if len(groups) > 1:
        raise ValueError(
            f"The logs in {str(work_dir)!r} are of different layer groups: "
            f"{' and '.join(map(str, sorted(groups)))}. Give the work dir of one training"
        )
    return by_step


def read_records(work_dir: str | Path, wanted: Callable[[dict], bool]) -> list[dict]:
    """Return the wanted records of a work dir's logs, in order of their step.

    A run that was resumed has several logs; where they overlap, the later one wins. A last line
    that is half written, as of a run at work, is left out. A record's step is its ``'step'``.

    Raises:
        FileNotFoundError: The folder holds no log.
        ValueError: A line is none of a log.
    """
    files = sorted(Path(work_dir).glob("*/vis_data/scalars.json"))
    if not files:
        raise FileNotFoundError(
            f"no */vis_data/scalars.json below {str(work_dir)!r}: give the work dir of a training "
            "(with the LocalVisBackend)"
        )
    records: dict[int, dict] = {}  # steps increase
    for file in files:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
        for number, line in enumerate(lines, 1):
            if not line.strip() or (number == len(lines) and not line.endswith("}")):
                continue
            record = _record(line, f"{file}, line {number}")
            if wanted(record):
                step = _step(record, f"{file}, line {number}")
                while records and next(reversed(records)) > step:  # of a run that was resumed
                    records.popitem()
                records[step] = {**record, "step": step}
    return list(records.values())


def _record(line: str, place: str) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(_no_record(place, str(error))) from error
    if not isinstance(record, dict):
        raise ValueError(_no_record(place, f"it is a {type(record).__name__}"))
    return record


def _step(record: dict, place: str) -> int:
    """Return the step of a record of numbers."""
    for key, value in record.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(_no_record(place, f"{key!r} is {value!r}, no number"))
    step = record.get("step", record.get("iter"))
    if not isinstance(step, int):
        raise ValueError(_no_record(place, f"its step is {step!r}"))
    return step


def _no_record(place: str, reason: str) -> str:
    return (
        f"{place}: this is no line that mmengine logs ({reason}). Take the line out if the file "
        "was damaged, or give the work dir of another run"
    )
