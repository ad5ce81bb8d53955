"""The main job on the miniature data: train side by side, test on the other domain, show it.

    python tools/demo.py

makes the miniature data where they are missing, trains every arm with the same seed, tests each
on the target's test split and on held-out source data, prints a table a task and writes the
pictures below ``work_dirs/demo``. What an earlier call finished is taken as it is.
"""

import argparse
import sys
import time

from mmasg.benchmark.arms import select
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.tables import comparison_table
from mmasg.miniature.miniature_arms import CONTROL_ARMS, DEMO_ARMS, TESTS, WEIGHTS
from mmasg.miniature.miniature_data import make_miniature_data


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train, test and compare on the miniature data")
    parser.add_argument("--out", default="work_dirs/demo", help="folder of runs and pictures")
    parser.add_argument("--only", nargs="+", metavar="ARM", help="these arms or tasks alone")
    parser.add_argument("--seed", type=int, default=0, help="seed of every arm")
    parser.add_argument("--workers", type=int, help="trainings at a time")
    return parser.parse_args()


def main() -> int:
    """Make the data, run the arms, print and draw."""
    args = parse_args()
    start = time.time()
    arms = select((*DEMO_ARMS, *CONTROL_ARMS), args.only or [arm.key for arm in DEMO_ARMS])
    make_miniature_data()
    comparison = Comparison(args.out, TESTS, arms, [args.seed], weights=WEIGHTS)
    failures = comparison.run(args.workers)
    for group, results in comparison.groups().items():
        table = comparison_table(results, TESTS)
        print(f"\n{table}")
        (comparison.out / f"{group}_table.txt").write_text(table + "\n", encoding="utf-8")
        for file in comparison.pictures({group: results}):
            print(f"picture: {file}")
    print(f"\n{time.time() - start:.0f} s in all; one seed: run 'make benchmark' for the spread")
    for failure in failures:
        print(f"\nFAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
