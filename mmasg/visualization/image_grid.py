"""Classified images with the predictions of several models below each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


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
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = -(-len(images) // columns)
    line = 0.2
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.2 * columns, rows * (2.5 + line * len(predictions))),
        squeeze=False,
        constrained_layout=True,
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (image, truth) in enumerate(zip(images, truths, strict=True)):
        axis = axes.flat[i]
        axis.imshow(image)
        axis.set_title(truth, fontsize=11, fontweight="bold")
        for k, (model, names) in enumerate(predictions.items()):
            axis.text(
                0.0,
                -0.06 - 0.11 * k,
                f"{model}: {names[i]}",
                transform=axis.transAxes,
                fontsize=8,
                va="top",
                color="#1a7f37" if names[i] == truth else "#b3261e",
            )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
    plt.close(figure)
