"""What came of a sweep: its tables, their numbers, its picture."""

from __future__ import annotations

import json
from pathlib import Path

from mmasg.errors import did_you_mean, wrong

from .comparison import Comparison
from .results import main_metric
from .sweep import RATE, Curve, curves
from .sweep_chart import plot_sweep
from .sweep_tables import gain_table, sweep_table
from .tables import metric_title

#: What tables and pictures call a setting, by its key or the end of it.
_LABELS = {RATE: "base rate", "body": "relative step of the body", "lr_mult": "body x"}


def write_sweep(
    comparison: Comparison, key: str, metric: str | None = None, reference: str | None = None
) -> list[Path]:
    """Print the tables; write them as Markdown and JSON, and the picture.

    Args:
        comparison: Its arms are of :func:`~mmasg.benchmark.sweep.sweep_arms`; its first test is
            what is reported, on the second one, if there is one, a value is chosen.
        key: The setting's config key.
        metric: Name of the metric. Defaults to mIoU or the mean accuracy.
        reference: Name of an arm to which differences are shown, too. Defaults to none.

    Returns:
        The files.

    Raises:
        FileNotFoundError: There are no results.
        ValueError: No such metric, or no arm of the reference's name.
    """
    (test, loader), *others = comparison.tests.items()
    label = _LABELS.get(key) or _LABELS.get(key.rsplit(".", 1)[-1], key)
    groups = comparison.groups()
    everything = [result for members in groups.values() for result in members]
    metric = metric or main_metric(everything, loader)
    score = f"{metric_title(metric)} ({test})"
    seeds = ", ".join(map(str, sorted({result.seed for result in everything})))
    lines = [f"{score} by {label}; mean ± sample standard deviation over seeds {seeds}."]
    panels: dict[str, dict[str, Curve]] = {}
    for group, members in groups.items():
        found = curves(members, key, metric, loader)
        chosen_on = curves(members, key, metric, others[0][1]) if others else None
        panels[group or score] = found
        lines += ["", *([f"**{group}**", ""] if group else [])]
        lines.append(sweep_table(found, label, chosen_on))
        if reference is None:
            continue
        if reference not in found:
            hint = did_you_mean(reference, found).strip()
            raise ValueError(wrong("--reference", reference, ", ".join(found), hint))
        base = found[reference]
        lines += ["", f"Difference to {base.title} seed by seed, with the standard error:", ""]
        lines.append(gain_table(found, reference, label))
        panels[f"{group} difference to {base.title}".strip()] = {
            name: curve.minus(base) for name, curve in found.items() if name != reference
        }
    text = "\n".join(lines)
    print(f"\n{text}\n")
    out = Path(comparison.out)
    files = [out / f"sweep{suffix}" for suffix in (".md", ".json", ".png")]
    files[0].write_text(text + "\n", encoding="utf-8")
    numbers = {p: {n: curve.as_dict() for n, curve in of.items()} for p, of in panels.items()}
    files[1].write_text(json.dumps(dict(setting=lines[0], panels=numbers), indent=1))
    plot_sweep(panels, label, score, files[2])
    for file in files:
        print(f"written: {file}")
    return files
