"""Pictures drawn without pyplot, which keeps global state and may want a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(size: tuple[float, float], layout: str | None = "constrained") -> Figure:
    """Return an empty figure that belongs to the caller alone.

    Args:
        size: Width and height in inches.
        layout: matplotlib's layout engine. Defaults to ``'constrained'``; None places by hand.
    """
    # Here and not above: a training does not draw, and matplotlib takes a while to import.
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout=layout)  # type: ignore[arg-type]


def save(figure: Figure, out: str | Path, dpi: int) -> None:
    """Write a figure; its folder is made.

    Args:
        figure: What :func:`new_figure` returned.
        out: File to write; its suffix names the format.
        dpi: Pixels an inch.
    """
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=dpi)
