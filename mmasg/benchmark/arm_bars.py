"""A bar chart of a metric: an arm a bar, its seeds as dots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmasg.visualization.figure import new_figure, save

from .spread import Spread


def plot_arm_bars(panels: Mapping[str, Mapping[str, Spread]], out: Path) -> None:
    """Draw the mean of every arm with its standard deviation, and each seed.

    Args:
        panels: ``{title of the panel: {arm: values}}``, side by side.
        out: PNG file to write.
    """
    most = max(len(arms) for arms in panels.values())
    figure = new_figure((4.5 * len(panels) + 1.5, 1.6 + 0.5 * most))
    for axes, (title, arms) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for place, spread in enumerate(arms.values()):
            error = spread.sd if len(spread.values) > 1 else 0.0
            axes.barh(place, spread.mean, xerr=error, color=f"C{place % 10}", alpha=0.6, capsize=4)
            axes.plot(list(spread.values.values()), [place] * len(spread.values), "k.", ms=4)
        axes.set_yticks(range(len(arms)), list(arms))
        axes.invert_yaxis()
        axes.set_title(title)
        axes.grid(axis="x", alpha=0.3)
        values = [v for spread in arms.values() for v in spread.values.values()]
        if values:  # the differences are what is looked at, the zero is not
            axes.set_xlim(max(0.0, min(values) - 0.6 * (max(values) - min(values)) - 1.0))
    save(figure, out, dpi=110)
