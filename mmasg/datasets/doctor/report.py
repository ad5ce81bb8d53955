"""The doctor's findings as text, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .inspection import SplitReport


def as_text(reports: Sequence[SplitReport]) -> str:
    """The findings in words and the class histogram as a table.

    Args:
        reports: From :func:`mmasg.datasets.doctor.inspection.check_config`.
    """
    lines = []
    for report in reports:
        names = ", ".join(report.datasets) or "no data set"
        lines.append(f"{report.name}: {names}, {report.listed} listed, {report.opened} opened")
        lines += [f"  ERROR {text}" for text in report.errors]
        lines += [f"  warning: {text}" for text in report.warnings]
        if not report.errors and not report.warnings:
            lines.append("  nothing wrong")
    lines += ["", *_table(reports), ""]
    errors = sum(len(report.errors) for report in reports)
    lines.append(
        f"RESULT: training or testing would be wrong ({errors} errors above)"
        if errors
        else "RESULT: no errors"
    )
    return "\n".join(lines)


def _table(reports: Sequence[SplitReport]) -> list[str]:
    """Share of every class in per cent, and how many of the opened samples contain it."""
    shown = [report for report in reports if report.counts.sum() > 0]
    if not shown:
        return ["no class histogram: no label could be read"]
    names = list(dict.fromkeys(name for report in shown for name in report.classes))
    width = max(len(name) for name in [*names, "(ignored)"])
    head = " " * width + "".join(f" | {report.name:^17}" for report in shown)
    units = "class".ljust(width) + "".join(
        f" | {'% of ' + report.unit:>11} {'in':>5}" for report in shown
    )
    rows = [head, units, "-" * len(units)]
    for name in names:
        row = name.ljust(width)
        for report in shown:
            if name not in report.classes:
                row += f" | {'-':>11} {'-':>5}"
                continue
            index = report.classes.index(name)
            share = 100 * report.counts[index] / report.counts.sum()
            row += f" | {share:11.4f} {report.images[index]:5d}"
        rows.append(row)
    if any(report.unit == "pixels" for report in shown):
        row = "(ignored)".ljust(width)
        for report in shown:
            share = 100 * report.ignored / (report.ignored + report.counts.sum())
            row += f" | {share:11.4f} {'':5}"
        rows.append(row + "  of all pixels")
    return rows


def save(reports: Sequence[SplitReport], folder: Path) -> list[Path]:
    """Writes ``check_data.json`` and, where labels could be read, ``class_histogram.png``.

    Args:
        reports: The findings.
        folder: Made if it is missing.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        report.name: {
            "datasets": report.datasets,
            "listed": report.listed,
            "opened": report.opened,
            "errors": report.errors,
            "warnings": report.warnings,
            "unit": report.unit,
            "ignored": report.ignored,
            "classes": {
                name: {"count": int(count), "samples": int(images)}
                for name, count, images in zip(
                    report.classes, report.counts, report.images, strict=True
                )
            },
        }
        for report in reports
    }
    path = folder / "check_data.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    written = [path]
    shown = [report for report in reports if report.counts.sum() > 0]
    if shown:
        written.append(_plot(shown, folder / "class_histogram.png"))
    return written


def _plot(reports: Sequence[SplitReport], path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    names = list(dict.fromkeys(name for report in reports for name in report.classes))
    figure = Figure(figsize=(max(6.0, 0.45 * len(names) + 2), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    width = 0.8 / len(reports)
    for place, report in enumerate(reports):
        shares = np.zeros(len(names))
        for index, name in enumerate(report.classes):
            shares[names.index(name)] = 100 * report.counts[index] / report.counts.sum()
        axes.bar(
            np.arange(len(names)) + (place - (len(reports) - 1) / 2) * width,
            shares,
            width,
            label=f"{report.name} ({report.opened} opened)",
        )
    # Classes differ by four orders of magnitude; empty ones show as no bar.
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xticks(np.arange(len(names)), names, rotation=45, ha="right")
    axes.set_ylabel(f"% of {reports[0].unit} that have a class")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    return path
