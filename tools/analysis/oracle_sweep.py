"""Hold arms, as they are, against the best of a sweep of hand-set rates chosen on the target.

    python tools/analysis/oracle_sweep.py configs/asg/carla2camvid_baseline.py \
        --against relative=configs/asg/carla2camvid_relative.py --out work_dirs/oracle_carla
    python tools/analysis/oracle_sweep.py --out work_dirs/oracle_carla --table-only

trains the config with every base rate times every multiplier of the body, and the arms of
``--against`` with their own settings. The best hand-set cell is chosen by the labels of the target
that it is reported on: an oracle that no user has, and said so in the table. Built on the runs of
``tools/compare_arms.py``: what is finished is taken as it is, a sweep that was killed goes on.
Writes ``oracle.md`` and ``oracle.json``. Exit code 1: a run failed.
"""

from __future__ import annotations

import argparse
import sys

from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.oracle import oracle_arms, write_oracle
from mmasg.errors import wrong


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="a config whose layer groups come from a preset")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="NAME=CONFIG", help="what is compared with it"
    )
    parser.add_argument(
        "--rates",
        nargs="+",
        default=["1e-4", "3e-4", "1e-3", "3e-3", "1e-2"],
        help="base rates (default for AdamW: 1e-4 3e-4 1e-3 3e-3 1e-2)",
    )
    parser.add_argument(
        "--bodies", nargs="+", default=["1", "0.1", "0.01"], help="default 1 0.1 0.01"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    parser.add_argument(
        "--test", default="target=test_dataloader", metavar="NAME=DATALOADER", help="of the target"
    )
    parser.add_argument("--metric", help="default mIoU, or accuracy/mean")
    parser.add_argument("--out", default="work_dirs/oracle", help="folder (default %(default)s)")
    parser.add_argument("--workers", type=int, help="trainings at a time (default 2; 1 on a GPU)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument(
        "--table-only", action="store_true", help="train nothing, show what there is"
    )
    return parser.parse_args(arguments)


def make_comparison(args: argparse.Namespace) -> Comparison:
    """Make what the command line asks for."""
    if args.config is None:
        if not args.table_only:
            raise ValueError(wrong("CONFIG", None, "a config, or --table-only with --out"))
        return Comparison.found(args.out)
    against = dict(text.partition("=")[::2] for text in args.against)
    if not against or not all(name and file for name, file in against.items()):
        raise ValueError(wrong("--against", args.against, "NAME=CONFIG ..."))
    name, _, loader = args.test.partition("=")
    if not name or not loader:
        raise ValueError(wrong("--test", args.test, "NAME=DATALOADER"))
    arms = oracle_arms(args.config, args.rates, args.bodies, against)
    return Comparison(args.out, {name: loader}, arms, args.seeds)


def main(arguments: list[str] | None = None) -> int:
    """Run all arms with all seeds, then write the tables."""
    args = parse_args(arguments)
    comparison = make_comparison(args)
    failures = [] if args.table_only else comparison.run(args.workers, args.threads)
    write_oracle(comparison, args.metric)
    for failure in failures:
        print(f"FAILED {failure}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
