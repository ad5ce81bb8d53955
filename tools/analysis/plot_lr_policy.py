"""Draw the layer-wise multipliers of a run as one picture, from its log alone.

Example::

    python tools/analysis/plot_lr_policy.py work_dirs/gta2cityscapes --out rates.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

PREFIX = "lr_mult/"


def find_log(path: str | Path) -> Path:
    """The newest scalar log under a work directory, or the file itself.

    Raises:
        FileNotFoundError: There is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    logs = sorted(path.glob("**/vis_data/scalars.json"), key=lambda p: p.stat().st_mtime)
    if not logs:
        raise FileNotFoundError(
            f"{path} holds no vis_data/scalars.json: give the work directory of a training with "
            "LayerLRPolicyHook and the LocalVisBackend, or the JSON log itself."
        )
    return logs[-1]


def read_multipliers(log: str | Path) -> tuple[list[int], dict[str, list[float]], int]:
    """Read the multipliers in force after each logged step.

    Returns:
        Steps (increasing), the multipliers of each group at them, in the policy's order, and the
        last step of the log.

    Raises:
        ValueError: The log has no multipliers.
    """
    rows: dict[int, dict[str, float]] = {}
    last = 0
    for line in Path(log).read_text().splitlines():
        entry = json.loads(line)
        last = max(last, int(entry.get("step", 0)))
        found = {k[len(PREFIX) :]: v for k, v in entry.items() if k.startswith(PREFIX)}
        if found:
            rows[int(entry["step"])] = found  # of a resumed run the later entry counts
    if not rows:
        raise ValueError(f"{log} has no '{PREFIX}<group>': was LayerLRPolicyHook in the run?")
    steps = sorted(rows)
    names = list(rows[steps[-1]])
    return steps, {name: [rows[step][name] for step in steps] for name in names}, last


def draw(log: str | Path, out: str | Path) -> None:
    """Write the picture: time to the right, one row a group, the multiplier as colour."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    steps, groups, last = read_multipliers(log)
    edges = [*steps, max(last, steps[-1] + 1)]
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(groups) + 1.4), layout="constrained")
    mesh = axes.pcolormesh(
        edges,
        list(range(len(groups) + 1)),
        list(groups.values()),
        cmap="viridis",
        vmin=0.0,
        vmax=max(1.0, *(max(values) for values in groups.values())),
    )
    axes.set_yticks([i + 0.5 for i in range(len(groups))], list(groups))
    axes.invert_yaxis()
    axes.set_xlabel("iteration")
    axes.set_title("learning-rate multiplier of each layer group")
    figure.colorbar(mesh, ax=axes, label="multiplier")
    figure.savefig(out, dpi=120)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", help="work directory of the run, or its JSON log")
    parser.add_argument("--out", default="lr_policy.png", help="picture to write")
    arguments = parser.parse_args(argv)
    log = find_log(arguments.log)
    draw(log, arguments.out)
    print(f"{arguments.out}: from {log}")


if __name__ == "__main__":
    main()
