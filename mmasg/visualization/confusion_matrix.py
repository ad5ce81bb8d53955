"""Picture of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .figure import new_figure, save


def draw_confusion_matrix(matrix: np.ndarray, names: Sequence[str], path: str | Path) -> None:
    """Draw a confusion matrix, every row in percent of its class.

    Args:
        matrix: Counts, (C, C); rows are true classes.
        names: Class names.
        path: Picture to write.
    """
    counts = matrix.sum(axis=1, keepdims=True)
    share = 100 * matrix / np.maximum(counts, 1)
    size = max(4.0, 0.55 * len(names) + 2)
    figure = new_figure((size, size))
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    recalls = share.diagonal()[counts[:, 0] > 0]
    axes.set_title(f"% of each true class (mean of the diagonal {recalls.mean():.1f})")
    # Numbers become specks in a big matrix; the colours have to do there.
    if len(names) <= 40:
        for row in ticks:
            for column in ticks:
                value = share[row, column]
                if value >= 0.5:
                    shade = "white" if value > 50 else "black"
                    axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=shade)
    save(figure, path, dpi=120)
