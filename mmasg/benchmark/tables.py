"""Tables of finished jobs: classes, means, seconds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from prettytable import PrettyTable

from .jobs import Job

#: Per task: prefix of the classes' metrics, name of their mean, and the unit in words.
CLASS_PREFIX = {"seg": "IoU/", "cls": "accuracy/"}
#: Metrics beside the classes under the same prefix.
_NOT_CLASSES = ("mean", "overall")
MEAN_NAME = {"seg": "mIoU", "cls": "mean accuracy"}


def read_metrics(file: str | Path, task: str) -> dict[str, float]:
    """Return ``{class: percent}`` from a metrics file of ``tools/test.py``.

    Raises:
        ValueError: The file has no metric of single classes.
    """
    prefix = CLASS_PREFIX[task]
    metrics = json.loads(Path(file).read_text(encoding="utf-8"))
    found = {k.split(prefix)[-1]: float(v) for k, v in metrics.items() if prefix in k}
    found = {k: v for k, v in found.items() if k not in _NOT_CLASSES}
    if not found:
        raise ValueError(f"{file}: no metric named {prefix}<class>, only {', '.join(metrics)}")
    return found


def mean(values: dict[str, float]) -> float:
    """Return the mean over the classes that occur."""
    return float(np.nanmean(list(values.values())))


def comparison_table(jobs: Sequence[Job], target: str, source: str) -> str:
    """Return the table of one task: a row a class, a column an arm, then means and seconds.

    Args:
        jobs: Finished jobs of one task.
        target: Name of the test on the target domain.
        source: Name of the test on the source domain.
    """
    task = jobs[0].arm.task
    on_target = [read_metrics(job.metrics_file(target), task) for job in jobs]
    on_source = [read_metrics(job.metrics_file(source), task) for job in jobs]
    table = PrettyTable(["", *(job.arm.title for job in jobs)])
    table.align = "r"
    table.align[""] = "l"
    for name in on_target[0]:
        table.add_row([name.replace("_", " "), *(_percent(m[name]) for m in on_target)])
    table.add_divider()
    label = MEAN_NAME[task]
    table.add_row([f"{label} target (test)", *(_percent(mean(m)) for m in on_target)])
    table.add_row([f"{label} source (held out)", *(_percent(mean(m)) for m in on_source)])
    table.add_row(["seconds of training", *(f"{job.seconds():.0f}" for job in jobs)])
    return table.get_string()


def spread_table(jobs: Sequence[Job], target: str, source: str, reference: str) -> str:
    """Return a Markdown table of one task over seeds: mean and spread of every arm.

    The difference to the reference arm is taken seed by seed; the spread is the sample standard
    deviation over seeds.

    Args:
        jobs: Finished jobs of one task, several seeds of each arm.
        target: Name of the test on the target domain.
        source: Name of the test on the source domain.
        reference: Name of the arm that the others are compared with.
    """
    task = jobs[0].arm.task
    label = MEAN_NAME[task]
    by_arm: dict[str, dict[int, Job]] = {}
    for job in jobs:
        by_arm.setdefault(job.arm.name, {})[job.seed] = job
    scores = {
        arm: {s: mean(read_metrics(j.metrics_file(target), task)) for s, j in seeds.items()}
        for arm, seeds in by_arm.items()
    }
    seeds = sorted(by_arm[reference])
    head = ["", *(f"seed {s}" for s in seeds), f"{label} target", "difference", f"{label} source"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for arm, members in by_arm.items():
        on_target = [scores[arm][s] for s in seeds]
        on_source = [mean(read_metrics(members[s].metrics_file(source), task)) for s in seeds]
        gain = [scores[arm][s] - scores[reference][s] for s in seeds]
        rows.append(
            [
                members[seeds[0]].arm.title,
                *(_percent(v) for v in on_target),
                _spread(on_target),
                "" if arm == reference else _spread(gain, sign=True),
                _spread(on_source),
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _spread(values: Sequence[float], sign: bool = False) -> str:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):{'+' if sign else ''}.2f} ± {_percent(spread)}"
