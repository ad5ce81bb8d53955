"""A picture of the layer-wise learning rates over a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .figure import new_figure, save
from .scalar_log import read_multipliers


def plot_multipliers(work_dirs: Mapping[str, str | Path], out: str | Path) -> None:
    """Draw the multiplier of every layer group: time to the right, a row a group.

    Args:
        work_dirs: ``{title: work dir}`` of trainings with ``LayerLRPolicyHook`` or
            ``GroupPolicyHook``, a panel each.
        out: The PNG file.

    Raises:
        FileNotFoundError: A work dir without log.
        ValueError: A log without multipliers.
    """
    from matplotlib.colors import LogNorm, Normalize

    runs = {title: read_multipliers(folder) for title, folder in work_dirs.items()}
    rows = sum(len(next(iter(steps.values()))) for steps in runs.values())
    figure = new_figure((9, 0.32 * rows + 1.2 * len(runs)))
    panels = figure.subplots(len(runs), squeeze=False, sharex=True)
    values = [v for steps in runs.values() for row in steps.values() for v in row.values()]
    norm: Normalize = Normalize(0.0, max(1.0, *values))
    if max(values) > 1 and min(values) > 0:  # around the fixed rule rather than below a base rate
        far = max(max(values), 1 / min(values))
        norm = LogNorm(1 / far, far)
    for axes, (title, steps) in zip(panels[:, 0], runs.items(), strict=True):
        names = list(next(iter(steps.values())))
        # Each row of the log holds from its step to the next one.
        edges = sorted(steps)
        edges = edges if len(edges) > 1 else [*edges, edges[0] + 1]
        mesh = axes.pcolormesh(
            edges,
            list(range(len(names) + 1)),
            [[steps[step][name] for step in edges[:-1]] for name in names],
            cmap="viridis",
            norm=norm,
        )
        axes.set_yticks([i + 0.5 for i in range(len(names))], names)
        axes.invert_yaxis()
        axes.set_title(title)
    panels[-1, 0].set_xlabel("iteration")
    figure.colorbar(mesh, ax=panels[:, 0].tolist(), label="multiplier")
    save(figure, out, dpi=120)
