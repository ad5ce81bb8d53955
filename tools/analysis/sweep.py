"""Train arms at several values of one setting: curves with spreads, means over the values.

    python tools/analysis/sweep.py
    python tools/analysis/sweep.py --table-only
    python tools/analysis/sweep.py a.py b.py --values 0.01 0.1 1 --seeds 0 1 --out work_dirs/sweep
    python tools/analysis/sweep.py without=a.py with=b.py --key custom_hooks.2.body \
        --values 1e-5 1e-4 1e-3 --reference without --out work_dirs/gain

Without a config: the robustness curve of the miniature street. Everything that sets rates, SGD at
base rates from 0.002 to 0.5 and AdamW from 1e-5 to 1e-2; what takes no base rate is trained once
(``--once``) and drawn as a dashed line. Relative steps are trained at every base rate although it
cancels: rounding differs, and the figure then shows what is claimed rather than assumes it.

Tests on the target's test split; a value is chosen on the validation split (the second of
``--tests``). Built on the runs of ``tools/compare_arms.py``: what is finished is taken as it is, a
sweep that was killed goes on. Writes ``sweep.md``, ``sweep.json`` and ``sweep.png``. Exit code 1: a
run failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

from mmasg.benchmark.arms import Arm, make_arms, select
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.sweep import RATE, sweep_arms
from mmasg.benchmark.sweep_report import write_sweep
from mmasg.errors import wrong
from mmasg.miniature.miniature_arms import RATE_ARMS, RATE_VALUES, WITHOUT_RATE
from mmasg.miniature.miniature_data import make_miniature_data

TESTS = ["target=test_dataloader", "validation=val_dataloader"]


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="FILE or NAME=FILE")
    parser.add_argument("--key", default=RATE, help=f"the setting (default {RATE})")
    parser.add_argument("--values", nargs="+", default=[], help="its values")
    parser.add_argument(
        "--once", nargs="*", metavar="ARM", help="arms to which the setting is nothing"
    )
    parser.add_argument("--only", nargs="+", metavar="ARM", help="these arms (or groups) alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="default 0 1 2")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="options of every arm"
    )
    parser.add_argument(
        "--tests",
        nargs="+",
        default=[],
        metavar="NAME=DATALOADER",
        help=f"what is reported, and what a value is chosen on (default {' '.join(TESTS)})",
    )
    parser.add_argument("--metric", help="default mIoU, or accuracy/mean")
    parser.add_argument("--reference", metavar="ARM", help="also show differences to this arm")
    parser.add_argument("--out", help="folder (default work_dirs/robustness, work_dirs/sweep)")
    parser.add_argument("--workers", type=int, help="trainings at a time (default 2; 1 on a GPU)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument(
        "--table-only", action="store_true", help="train nothing, show what there is"
    )
    return parser.parse_args(arguments)


def make_comparison(args: argparse.Namespace) -> Comparison:
    """Make what the command line asks for."""
    tests = dict(text.partition("=")[::2] for text in args.tests or TESTS)
    if not all(name and loader for name, loader in tests.items()):
        raise ValueError(wrong("--tests", args.tests, "NAME=DATALOADER ..."))
    if args.table_only and args.out and not args.configs:
        comparison = Comparison.found(args.out)
        comparison.arms = [a for a in comparison.arms if not args.only or _among(a, args.only)]
        comparison.seeds = args.seeds or comparison.seeds
        comparison.tests = tests if args.tests else comparison.tests
        return comparison
    seeds = args.seeds or [0, 1, 2]
    if args.configs:
        arms = select(make_arms(args.configs, (), args.cfg_options), args.only)
        swept = sweep_arms(arms, args.key, args.values, args.once or ())
        return Comparison(args.out or "work_dirs/sweep", tests, swept, seeds)
    if not args.table_only:
        make_miniature_data()
    arms = [
        dataclasses.replace(arm, options=(*arm.options, *args.cfg_options)) for arm in RATE_ARMS
    ]
    arms = select(arms, args.only)
    swept = []
    for group, values in RATE_VALUES.items():
        members = [arm for arm in arms if arm.group == group]
        once = WITHOUT_RATE if args.once is None else args.once
        here = [name for name in once if name in {arm.name for arm in members}]
        swept += sweep_arms(members, args.key, args.values or values, here)
    return Comparison(args.out or "work_dirs/robustness", tests, swept, seeds)


def _among(arm: Arm, names: list[str]) -> bool:
    return arm.group in names or arm.key.partition(",")[0] in names


def main(arguments: list[str] | None = None) -> int:
    """Run all arms at all values with all seeds, then write tables and picture."""
    args = parse_args(arguments)
    comparison = make_comparison(args)
    failures = [] if args.table_only else comparison.run(args.workers, args.threads)
    write_sweep(comparison, args.key, args.metric, args.reference)
    for failure in failures:
        print(f"FAILED {failure}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
