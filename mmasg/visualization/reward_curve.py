"""How a policy's training went: a table and a picture of its rewards."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmasg.errors import wrong
from mmasg.files.json_file import read_json

from .figure import new_figure, save
from .scalar_log import read_records

#: Columns of the table: what a policy's training logs.
_COLUMNS = ("reward", "entropy", "mean_multiplier", "window_task_loss")


def read_updates(work_dir: str | Path) -> list[dict]:
    """Return the records of the updates of a policy's training, in order.

    Raises:
        FileNotFoundError: The folder holds no log.
        ValueError: It is no log of a policy's training.
    """
    records = read_records(work_dir, lambda record: "reward" in record)
    if not records:
        raise ValueError(
            f"The log in {str(work_dir)!r} has no 'reward': give the work dir of a policy's "
            "training (configs/asg/policy_*.py)"
        )
    lacking = [name for name in _COLUMNS if any(name not in record for record in records)]
    if lacking:
        raise ValueError(
            f"The log in {str(work_dir)!r} has no {', '.join(lacking)} in some updates, which a "
            "policy's training logs: give a work dir of this version's configs/asg/policy_*.py"
        )
    return records


def read_levels(file: str | Path) -> dict[str, tuple[float, float]]:
    """Return the held-out reward of every control, with its standard error.

    Args:
        file: What ``tools/analysis/evaluate_policy.py --out`` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds something else.
    """
    writer = "tools/analysis/evaluate_policy.py --out"
    summary = read_json(file, "--evaluation", writer).get("summary")
    levels = {}
    for name, row in summary.items() if isinstance(summary, dict) else ():
        pair = row.get("reward") if isinstance(row, dict) else None
        if not (
            isinstance(pair, list) and len(pair) == 2 and all(type(v) in (int, float) for v in pair)
        ):
            raise ValueError(
                wrong(
                    "--evaluation",
                    pair,
                    f"a mean and its error as summary.{name}.reward in {file}",
                    f"Make the file again by {writer}.",
                )
            )
        levels[name] = (float(pair[0]), float(pair[1]))
    if not levels:
        raise ValueError(f"--evaluation: {file} has no summary of rewards; {writer} writes one")
    return levels


def reward_table(records: Sequence[Mapping[str, float]], block: int) -> str:
    """Return a Markdown table of means over blocks of updates."""
    lines = [
        f"| updates | {' | '.join(name.replace('_', ' ') for name in _COLUMNS)} |",
        "| --- |" + " ---: |" * len(_COLUMNS),
    ]
    for start in range(0, len(records), block):
        part = records[start : start + block]
        cells = [f"{statistics.fmean(record[name] for record in part):.3f}" for name in _COLUMNS]
        lines.append(f"| {part[0]['step']} to {part[-1]['step']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot_rewards(
    runs: Mapping[str, Sequence[Mapping[str, float]]],
    out: str | Path,
    window: int = 20,
    levels: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Draw the reward over the updates, smoothed, beside the held-out rewards of controls.

    Args:
        runs: ``{title: records}``, see :func:`read_updates`.
        out: The PNG file.
        window: Updates of the moving mean.
        levels: ``{control: (mean, standard error)}``, drawn as lines across.
    """
    figure = new_figure((9, 4.5))
    axes = figure.subplots()
    for i, (title, records) in enumerate(runs.items()):
        steps = [record["step"] for record in records]
        rewards = [record["reward"] for record in records]
        axes.plot(steps, rewards, ".", color=f"C{i}", alpha=0.25, markersize=3)
        means = [
            statistics.fmean(rewards[max(0, end - window) : end])
            for end in range(1, len(rewards) + 1)
        ]
        start = min(window, len(means)) - 1
        axes.plot(
            steps[start:], means[start:], color=f"C{i}", label=f"{title}, mean of {window} updates"
        )
    for i, (name, (level, error)) in enumerate((levels or {}).items()):
        colour = f"C{len(runs) + i}"
        axes.axhline(level, color=colour, linestyle="--", linewidth=1, label=f"{name}, held out")
        if error == error:  # not of a single episode
            axes.axhspan(level - error, level + error, color=colour, alpha=0.12)
    axes.set(xlabel="update", ylabel="mean reward of a decision")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save(figure, out, dpi=120)
