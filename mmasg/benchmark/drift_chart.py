"""Drift from ImageNet and accuracy on the target, all arms in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmasg.visualization.figure import new_figure, save

from .drift import ITERATION, SCORE, Point, mean_over_seeds


def plot_drift(arms: Mapping[str, Sequence[Sequence[Point]]], score: str, out: str | Path) -> None:
    """Draw each measure of drift over the iterations, the score over them, and one over the other.

    Thin lines are seeds, thick ones their mean.

    Args:
        arms: ``{arm: points of each seed}``; all with the same measures of drift.
        score: What the points' score is.
        out: File to write.
    """
    names = [n for n in next(iter(arms.values()))[0][0] if n not in (ITERATION, SCORE)]
    pairs = [(ITERATION, name) for name in [*names, SCORE]] + [(name, SCORE) for name in names]
    figure = new_figure((4.6 * len(pairs), 4.4))
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, (across, up) in zip(panels, pairs, strict=True):
        for i, (arm, seeds) in enumerate(arms.items()):
            colour = f"C{i % 10}"
            for points in seeds:
                line = [p[across] for p in points], [p[up] for p in points]
                axes.plot(*line, color=colour, alpha=0.3, linewidth=0.8)
            mean = mean_over_seeds(seeds)
            line = [p[across] for p in mean], [p[up] for p in mean]
            axes.plot(*line, ".-", color=colour, label=arm, linewidth=2)
            if across != ITERATION and mean:  # the end of the path
                axes.annotate(f"{mean[-1][ITERATION]:.0f}", (line[0][-1], line[1][-1]), fontsize=7)
        axes.set(xlabel=across, ylabel=score if up == SCORE else up)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    save(figure, out, dpi=110)
