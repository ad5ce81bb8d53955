"""Frames, their truth and several models' predictions side by side, with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .figure import new_figure, save

#: Colour of pixels without a class.
_IGNORED = (0, 0, 0)


def colourise(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Turn train ids (H, W) into RGB colours (H, W, 3); ids outside the palette turn black."""
    table = np.full((max(256, len(palette), int(labels.max()) + 1), 3), _IGNORED, dtype=np.uint8)
    table[: len(palette)] = np.asarray(palette, dtype=np.uint8)
    return table[labels]


def draw_prediction_grid(
    frames: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    predictions: Mapping[str, Sequence[np.ndarray]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    out: str | Path,
) -> None:
    """Write the grid: a row a frame, columns frame, truth and each model.

    Args:
        frames: RGB images (H, W, 3).
        truths: Train ids (H, W), 255 where there is no class.
        predictions: ``{model: train ids (H, W) of every frame}``.
        classes: Class names, for the legend.
        palette: RGB of every class.
        out: PNG file to write.
    """
    from matplotlib.patches import Patch

    titles = ["frame", "truth", *predictions]
    rows = len(frames)
    height, width = frames[0].shape[:2]
    figure = new_figure((3.6 * len(titles), 3.6 * rows * height / width + 1.3))
    axes = figure.subplots(rows, len(titles), squeeze=False)
    for r in range(rows):
        valid = truths[r] != 255
        maps = [truths[r], *(p[r] for p in predictions.values())]
        cells = [frames[r], *(colourise(m, palette) for m in maps)]
        for c, (axis, cell) in enumerate(zip(axes[r], cells, strict=True)):
            axis.imshow(cell)
            axis.set_axis_off()
            if r == 0:
                axis.set_title(titles[c], fontsize=12)
            if c >= 2:
                right = float((maps[c - 1] == truths[r])[valid].mean()) if valid.any() else 0.0
                axis.text(
                    4,
                    height - 6,
                    f"{100 * right:.0f}% of pixels right",
                    color="white",
                    fontsize=8,
                    bbox=dict(facecolor="black", alpha=0.6, pad=2, linewidth=0),
                )
    handles = [
        Patch(facecolor=_unit(colour), edgecolor="black", linewidth=0.4, label=name)
        for name, colour in zip(classes, palette, strict=True)
    ]
    handles.append(Patch(facecolor=_unit(_IGNORED), label="no class"))
    figure.legend(handles=handles, loc="outside lower center", ncols=10, fontsize=9, frameon=False)
    save(figure, out, dpi=100)


def _unit(colour: Sequence[int]) -> tuple[float, float, float]:
    """Turn an RGB colour of 0 to 255 into matplotlib's 0 to 1."""
    red, green, blue = (value / 255 for value in colour)
    return red, green, blue
