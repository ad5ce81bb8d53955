"""Losses over the iterations, several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .figure import new_figure, save
from .scalar_log import read_scalars

#: Panels of the picture: title and the keys that are drawn.
_PANELS = (
    ("task loss", None),
    ("KL to the ImageNet teacher", "kl_imagenet"),
)


def task_loss(record: Mapping[str, float]) -> float:
    """Return the sum of all losses of the model but the ImageNet one."""
    return record["loss"] - record.get("loss_imagenet", 0.0)


def plot_training_curves(runs: Mapping[str, str | Path], out: str | Path) -> None:
    """Draw task loss and, where it is logged, the KL to the teacher.

    Args:
        runs: ``{title: work dir}``.
        out: PNG file to write.
    """
    logs = {title: read_scalars(folder) for title, folder in runs.items()}
    figure = new_figure((11, 4))
    axes = figure.subplots(1, len(_PANELS))
    for axis, (name, key) in zip(axes, _PANELS, strict=True):
        for i, (title, records) in enumerate(logs.items()):
            points = [
                (r["step"], task_loss(r) if key is None else r[key])
                for r in records
                if key is None or key in r
            ]
            if points:
                axis.plot(*zip(*points, strict=True), label=title, color=f"C{i}")
        axis.set(title=name, xlabel="iteration")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend()
        else:
            axis.text(0.5, 0.5, "not logged by these runs", ha="center", transform=axis.transAxes)
    save(figure, out, dpi=110)
