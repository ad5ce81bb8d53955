"""Draw the drift from ImageNet against the accuracy on the target, over a comparison's checkpoints.

    python tools/compare_arms.py A.py B.py --seeds 0 1 --also-at 250 500 750 --out work_dirs/ab
    python tools/analysis/drift.py work_dirs/ab
    python tools/analysis/drift.py work_dirs/ab --frames val_dataloader --images 50

takes the KL to the ImageNet teacher from the runs' logs (``kl_imagenet``; a baseline logs it with
``ImageNetConsistencyHook(loss_weight=0)``), or, with ``--frames``, computes it and the agreement of
the top-1 prediction from the checkpoints, for any run. Prints a table, and writes ``drift.md`` and
``drift.png`` beside the comparison's results.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmasg.benchmark.arms import select
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.drift import Point, logged_drift, mean_over_seeds, measured_drift
from mmasg.benchmark.drift_chart import plot_drift
from mmasg.benchmark.results import main_metric
from mmasg.benchmark.tables import metric_title
from mmasg.errors import did_you_mean, wrong


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder of a comparison (--out of compare_arms.py)")
    parser.add_argument("--only", nargs="+", metavar="ARM", help="these arms alone")
    parser.add_argument("--test", help="name of the test that counts (default: the first)")
    parser.add_argument("--metric", help="default mIoU, or accuracy/mean")
    parser.add_argument(
        "--frames", metavar="DATALOADER", help="measure on the images of this dataloader"
    )
    parser.add_argument("--images", type=int, default=50, help="how many of them (default 50)")
    parser.add_argument("--out", help="picture (default: drift.png in the folder)")
    return parser.parse_args(arguments)


def collect(
    comparison: Comparison, loader: str, metric: str, args: argparse.Namespace
) -> dict[str, list[list[Point]]]:
    """Return every arm's points, seed by seed; says which arms have none.

    Raises:
        ValueError: No arm has any.
    """
    arms: dict[str, list[list[Point]]] = {}
    for result in comparison.results():
        if args.frames:
            points = measured_drift(result, loader, metric, args.frames, args.images)
        else:
            points = logged_drift(result, loader, metric)
        if points:
            arms.setdefault(result.title, []).append(points)
        else:
            print(f"{result.title}, seed {result.seed}: no kl_imagenet in the log of its training")
    if not arms:
        raise ValueError(
            f"{args.folder}: no run has logged kl_imagenet. Train with ImageNetConsistencyHook "
            "(loss_weight=0 for a baseline), or measure: --frames val_dataloader"
        )
    return arms


def table(arms: dict[str, list[list[Point]]], score: str) -> str:
    """Return a Markdown table of means over seeds, a row a point."""
    names = list(next(iter(arms.values()))[0][0])
    lines = [f"| arm | {' | '.join([*names[:-1], score])} |"]
    lines.append("| --- |" + " ---: |" * len(names))
    for arm, seeds in arms.items():
        for point in mean_over_seeds(seeds):
            lines.append(f"| {arm} | {' | '.join(f'{value:.4g}' for value in point.values())} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Collect, print and draw."""
    args = parse_args(arguments)
    comparison = Comparison.found(args.folder)
    comparison.arms = select(comparison.arms, args.only)
    test = args.test or next(iter(comparison.tests))
    if test not in comparison.tests:
        hint = did_you_mean(test, comparison.tests).strip()
        raise ValueError(wrong("--test", test, ", ".join(comparison.tests), hint))
    loader = comparison.tests[test]
    metric = args.metric or main_metric(comparison.results(), loader)
    arms = collect(comparison, loader, metric, args)
    score = f"{metric_title(metric)} ({test})"
    text = table(arms, score)
    out = Path(args.out or Path(args.folder) / "drift.png")
    print(text)
    plot_drift(arms, score, out)
    out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(f"written: {out}, {out.with_suffix('.md')}")


if __name__ == "__main__":
    main()
