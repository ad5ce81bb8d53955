"""Curves of a sweep, with a band for the spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmasg.visualization.figure import new_figure, save

from .spread import Spread
from .sweep import Curve, values_of


def plot_sweep(
    panels: Mapping[str, Mapping[str, Curve]], label: str, score: str, out: Path
) -> None:
    """Draw every arm's mean over the values, a band of one standard deviation around it.

    An arm that was run once is a dashed line from end to end.

    Args:
        panels: ``{title of the panel: {arm: curve}}``, side by side.
        label: What the setting is called.
        score: What the curves show.
        out: File to write.
    """
    figure = new_figure((5.4 * len(panels) + 2.6, 4.6))
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    colours: dict[str, str] = {}
    for axes, (title, found) in zip(grid, panels.items(), strict=True):
        values = values_of(found)
        for curve in found.values():
            colour = colours.setdefault(curve.title, f"C{len(colours) % 10}")
            if curve.once is not None:
                ends = [values[0], values[-1]] if values else [0.0, 1.0]
                _draw(axes, dict.fromkeys(ends, curve.once), "--", colour, curve.title)
            else:
                _draw(axes, curve.at, "o-", colour, curve.title)
        if values and values[0] > 0:
            axes.set_xscale("log")
            axes.set_xticks(values, [f"{value:g}" for value in values])
            axes.minorticks_off()
        axes.set(title=title, xlabel=label, ylabel=score)
        axes.grid(alpha=0.3)
    handles: dict[str, Any] = {}
    for axes in grid:
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(text, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside right upper", fontsize=8)
    save(figure, out, dpi=110)


def _draw(axes: Any, at: Mapping[float, Spread], style: str, colour: str, title: str) -> None:
    there = {value: spread for value, spread in at.items() if spread.values}
    means = [spread.mean for spread in there.values()]
    sds = [0.0 if math.isnan(spread.sd) else spread.sd for spread in there.values()]
    axes.plot(list(there), means, style, color=colour, label=title, markersize=4)
    low, high = ([m + sign * sd for m, sd in zip(means, sds, strict=True)] for sign in (-1, 1))
    axes.fill_between(list(there), low, high, color=colour, alpha=0.15, linewidth=0)
