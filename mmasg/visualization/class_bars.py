"""A bar chart of one value a class for several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .figure import new_figure, save


def plot_class_bars(
    classes: Sequence[str],
    values: Mapping[str, Sequence[float]],
    title: str,
    ylabel: str,
    out: str | Path,
) -> None:
    """Draw grouped bars, a group a class and the mean last.

    Args:
        classes: Class names.
        values: ``{model: one value a class, in percent}``; NaN draws no bar.
        title: Title of the picture.
        ylabel: What the values are.
        out: PNG file to write.
    """
    names = [*classes, "MEAN"]
    places = np.arange(len(names), dtype=float)
    places[-1] += 0.6
    width = 0.8 / max(len(values), 1)
    figure = new_figure((max(8.0, 0.62 * len(names)), 4.4))
    axis = figure.subplots()
    for i, (model, numbers) in enumerate(values.items()):
        heights = [*numbers, float(np.nanmean(numbers))]
        axis.bar(places + (i - (len(values) - 1) / 2) * width, heights, width, label=model)
    axis.set_xticks(places, names, rotation=40, ha="right")
    axis.set(title=title, ylabel=ylabel, ylim=(0, 100))
    axis.grid(axis="y", alpha=0.3)
    axis.legend(loc="upper right")
    save(figure, out, dpi=110)
