"""A bar chart of one value a class for several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


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
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    names = [*classes, "MEAN"]
    places = np.arange(len(names), dtype=float)
    places[-1] += 0.6
    width = 0.8 / max(len(values), 1)
    figure, axis = plt.subplots(figsize=(max(8.0, 0.62 * len(names)), 4.4), constrained_layout=True)
    for i, (model, numbers) in enumerate(values.items()):
        heights = [*numbers, float(np.nanmean(numbers))]
        axis.bar(places + (i - (len(values) - 1) / 2) * width, heights, width, label=model)
    axis.set_xticks(places, names, rotation=40, ha="right")
    axis.set(title=title, ylabel=ylabel, ylim=(0, 100))
    axis.grid(axis="y", alpha=0.3)
    axis.legend(loc="upper right")
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    plt.close(figure)
