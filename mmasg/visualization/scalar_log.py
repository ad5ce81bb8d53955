"""Read the scalars that mmengine's runs write."""

from __future__ import annotations

import json
from pathlib import Path


def read_scalars(work_dir: str | Path) -> list[dict]:
    """Return the training records of a work dir, one a logged step, in order of the step.

    A run that was resumed has several logs; where they overlap, the later one wins.

    Raises:
        FileNotFoundError: The folder holds no log.
    """
    files = sorted(Path(work_dir).glob("*/vis_data/scalars.json"))
    if not files:
        raise FileNotFoundError(
            f"no */vis_data/scalars.json below {str(work_dir)!r}: give the work dir of a training"
        )
    records: dict[int, dict] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            # The last line of a run that is at work may be half written.
            if not (line.startswith("{") and line.endswith("}")):
                continue
            record = json.loads(line)
            if "loss" in record:
                step = record.get("step", record.get("iter"))
                for later in [s for s in records if s > step]:
                    del records[later]
                records[step] = record
    return [records[step] for step in sorted(records)]
