"""Train, test and compare any configs over several seeds: means, spreads, paired differences.

    python tools/compare_arms.py configs/asg/a.py configs/asg/b.py --seeds 0 1 2 --out work_dirs/ab
    python tools/compare_arms.py configs/asg/a.py --out work_dirs/rates \
        --name-option "lr=0.05:optim_wrapper.optimizer.lr=0.05" \
        --name-option "lr=0.2:optim_wrapper.optimizer.lr=0.2"
    python tools/compare_arms.py --out work_dirs/ab --table-only
    python tools/compare_arms.py

The arms are every config with every set of options (``--name-option``); without a config, those of
the miniature data (``make benchmark``). What an earlier call finished is taken as it is and
trainings go on from their newest checkpoint, so a comparison that was killed goes on where it
stopped. Each run has its folder below ``--out`` and a small ``results/NAME_seedN.json``, from which
``comparison.md``, ``comparison.json`` and the pictures are made. Exit code 1: a run failed.
"""

import argparse
import dataclasses
import sys

from mmasg.benchmark.arms import make_arms, select
from mmasg.benchmark.comparison import Comparison
from mmasg.errors import wrong
from mmasg.miniature.miniature_arms import CONTROL_ARMS, DEMO_ARMS, TESTS, WEIGHTS
from mmasg.miniature.miniature_data import make_miniature_data


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="FILE or NAME=FILE")
    parser.add_argument("--out", help="folder of runs and results (default below work_dirs/)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="default 0 1 2 3 4")
    parser.add_argument(
        "--name-option",
        action="append",
        default=[],
        metavar="'NAME:KEY=VALUE ...'",
        help="a set of options, each config is an arm with; 'NAME:' alone: the config as it is",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="options of every arm"
    )
    parser.add_argument("--only", nargs="+", metavar="ARM", help="these arms (or groups) alone")
    parser.add_argument(
        "--tests",
        nargs="+",
        default=[],
        metavar="NAME=DATALOADER",
        help="what to test on (default target=test_dataloader)",
    )
    parser.add_argument(
        "--also-at",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="test the checkpoints after these iterations (epochs), too",
    )
    parser.add_argument("--metrics", nargs="+", default=[], help="default mIoU, or accuracy/mean")
    parser.add_argument("--reference", metavar="ARM", help="arm to compare with (default: first)")
    parser.add_argument("--workers", type=int, help="trainings at a time (default 2; 1 on a GPU)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument(
        "--table-only", action="store_true", help="train nothing, show what there is"
    )
    return parser.parse_args()


def read_tests(texts: list[str]) -> dict[str, str]:
    """Turn ``NAME=DATALOADER`` into a dict; none: the test_dataloader."""
    tests = dict(text.partition("=")[::2] for text in texts) or {"target": "test_dataloader"}
    for name, loader in tests.items():
        if not name or not loader:
            raise ValueError(wrong("--tests", f"{name}={loader}", "NAME=DATALOADER"))
    return tests


def make_comparison(args: argparse.Namespace) -> Comparison:
    """Make what the command line asks for."""
    if args.table_only and not args.configs and args.out:
        comparison = Comparison.found(args.out)
        comparison.arms = select(comparison.arms, args.only)
        comparison.seeds = args.seeds or comparison.seeds
        comparison.tests = read_tests(args.tests) if args.tests else comparison.tests
        return comparison
    seeds = args.seeds or [0, 1, 2, 3, 4]
    if args.configs:
        arms = make_arms(args.configs, args.name_option, args.cfg_options)
        tests = read_tests(args.tests)
        out = args.out or "work_dirs/comparison"
        return Comparison(out, tests, select(arms, args.only), seeds, args.also_at)
    if args.name_option:
        raise ValueError("--name-option: needs a config; give one or more before the switches")
    arms = select((*DEMO_ARMS, *CONTROL_ARMS), args.only)
    arms = [dataclasses.replace(arm, options=tuple(args.cfg_options)) for arm in arms]
    if not args.table_only:
        make_miniature_data()
    out = args.out or "work_dirs/benchmark"
    return Comparison(out, TESTS, arms, seeds, args.also_at, WEIGHTS)


def main() -> int:
    """Run all arms with all seeds, then write tables and pictures."""
    args = parse_args()
    comparison = make_comparison(args)
    failures = [] if args.table_only else comparison.run(args.workers, args.threads)
    comparison.report(args.metrics, args.reference)
    for failure in failures:
        print(f"FAILED {failure}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
