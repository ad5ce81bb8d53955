"""Train starts on the source, adapt each in several ways, and compare where they end.

    python tools/compare_adaptation.py configs/asg/carla2camvid_relative.py \
        configs/asg/carla2camvid_relative_consistency.py \
        --ways configs/asg/carla2camvid_adapt_*.py --ceiling configs/asg/carla2camvid_ceiling.py \
        --seeds 0 1 2 --out work_dirs/adaptation

Every way goes on from every start's last checkpoint of the same seed: a config with
``self_training`` in rounds (tools/self_train.py), others as a training that loads it. What an
earlier call finished is taken as it is, and what was killed goes on where it stopped. Below
``--out`` are the runs, a small ``results/NAME_seedN.json`` of each, the tables and pictures of
tools/compare_arms.py, and ``starts.md``: does a better start give a better end? Exit code 1: a run
failed.
"""

import argparse
import sys
from pathlib import Path

from mmasg.benchmark.arms import select
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.results import main_metric
from mmasg.benchmark.start_table import adaptation_arms, start_table
from mmasg.benchmark.tables import metric_title


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("starts", nargs="+", metavar="START", help="FILE or NAME=FILE")
    parser.add_argument("--ways", nargs="+", required=True, metavar="CONFIG")
    parser.add_argument("--ceiling", nargs="+", default=[], metavar="CONFIG", help="on their own")
    parser.add_argument("--out", default="work_dirs/adaptation", help="folder of runs and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    parser.add_argument("--only", nargs="+", metavar="ARM", help="these alone: START or START,WAY")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--metrics", nargs="+", default=[], help="default mIoU, or accuracy/mean")
    parser.add_argument("--workers", type=int, help="trainings at a time (default 2; 1 on a GPU)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    return parser.parse_args()


def main() -> int:
    """Run what has not been run, then write the tables."""
    args = parse_args()
    arms = adaptation_arms(args.starts, args.ways, args.ceiling, args.cfg_options)
    starts = [arm.name for arm in arms[: len(args.starts)]]
    chosen = select(arms, args.only)
    needed = {arm.start for arm in chosen}
    arms = [arm for arm in arms if arm in chosen or arm.name in needed]
    tests = {"target": "test_dataloader"}
    comparison = Comparison(args.out, tests, arms, args.seeds)
    failures = [] if args.table_only else comparison.run(args.workers, args.threads)
    comparison.report(args.metrics)
    results = comparison.results()
    lines = []
    for metric in args.metrics or [main_metric(results, "test_dataloader")]:
        table = start_table(results, starts, metric, "test_dataloader")
        lines += [f"**{metric_title(metric)} of the target, by start**", "", table, ""]
    text = "\n".join(lines)
    print(text)
    (Path(args.out) / "starts.md").write_text(text, encoding="utf-8")
    for failure in failures:
        print(f"FAILED {failure}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
