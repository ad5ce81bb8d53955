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
        work_dir: Work dir of a training with ``LayerLRPolicyHook``. Of a resumed run's logs the
            later one wins where they overlap.

    Raises:
        FileNotFoundError: The folder holds no log.
        ValueError: The log has no multipliers.
    """
    records = read_records(
        work_dir, lambda record: any(key.startswith(MULTIPLIER) for key in record)
    )
    if not records:
        raise ValueError(
            f"The log in {str(work_dir)!r} has no '{MULTIPLIER}<group>': was LayerLRPolicyHook in "
            "the run? Give the work dir of a training with it"
        )
    return {
        int(record["step"]): {
            key[len(MULTIPLIER) :]: value
            for key, value in record.items()
            if key.startswith(MULTIPLIER)
        }
        for record in records
    }


def read_records(work_dir: str | Path, wanted: Callable[[dict], bool]) -> list[dict]:
    """Return the wanted records of a work dir's logs, in order of their step.

    A run that was resumed has several logs; where they overlap, the later one wins. Half-written
    lines are left out.

    Raises:
        FileNotFoundError: The folder holds no log.
    """
    files = sorted(Path(work_dir).glob("*/vis_data/scalars.json"))
    if not files:
        raise FileNotFoundError(
            f"no */vis_data/scalars.json below {str(work_dir)!r}: give the work dir of a training "
            "(with the LocalVisBackend)"
        )
    records: dict[int, dict] = {}  # steps increase
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            # The last line of a run that is at work may be half written.
            if not (line.startswith("{") and line.endswith("}")):
                continue
            record = json.loads(line)
            if wanted(record):
                step = record.get("step", record.get("iter"))
                while records and next(reversed(records)) > step:  # of a run that was resumed
                    records.popitem()
                records[step] = record
    return list(records.values())
