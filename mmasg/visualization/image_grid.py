"""Classified images with the predictions of several models below each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .figure import new_figure, save


def draw_classified_images(
    images: Sequence[np.ndarray],
    truths: Sequence[str],
    predictions: Mapping[str, Sequence[str]],
    out: str | Path,
    columns: int = 6,
) -> None:
    """Write the grid; a prediction is green where it is right, red elsewhere.

    Args:
        images: RGB images (H, W, 3).
        truths: Class of every image.
        predictions: ``{model: predicted class of every image}``.
        out: PNG file to write.
        columns: Images a row.
    """
    rows = -(-len(images) // columns)
    # In inches; the columns are as wide as the longest line below an image.
    side, top, line, gap = 1.8, 0.35, 0.16, 0.15
    longest = max(len(f"{model}: {n}") for model, names in predictions.items() for n in names)
    width = max(side, 0.068 * longest) + gap
    height = top + side + line * len(predictions) + gap
    figure = new_figure((columns * width, rows * height), layout=None)
    for i, (image, truth) in enumerate(zip(images, truths, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = column * width + gap / 2, (rows - row) * height - top - side
        axis = figure.add_axes(
            (
                left / (columns * width),
                bottom / (rows * height),
                side / (columns * width),
                side / (rows * height),
            )
        )
        axis.set_axis_off()
        axis.imshow(image)
        axis.set_title(truth, fontsize=11, fontweight="bold")
        for k, (model, names) in enumerate(predictions.items()):
            axis.text(
                left,
                bottom - 0.06 - line * k,
                f"{model}: {names[i]}",
                transform=figure.dpi_scale_trans,
                fontsize=8,
                va="top",
                color="#1a7f37" if names[i] == truth else "#b3261e",
            )
    save(figure, out, dpi=100)
