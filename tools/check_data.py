"""Looks at the data of a config before a long training reads it.

    python tools/check_data.py CONFIG            # opens 200 samples of each data loader
    python tools/check_data.py CONFIG --all      # opens every file

Reports missing pairs, unreadable files, labels of another size than their image, label ids
outside the classes (raw Cityscapes ids where training ids are due, above all), classes that do
not occur, and the class histogram as a table and as ``class_histogram.png``. Exit code 1 when a
training or a test would be wrong, 2 when the config or an argument is.
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, DictAction

import mmasg  # noqa: F401  (registers the data sets)
from mmasg.commands.command_line import find_config
from mmasg.datasets.doctor.inspection import check_config
from mmasg.datasets.doctor.report import as_text, save


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file, as for tools/train.py")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--all", action="store_true", help="open every file")
    amount.add_argument(
        "--samples", type=int, default=200, help="open so many a data loader (default: 200)"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: work_dirs/check_data/CONFIG)"
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="as for tools/train.py")
    args = parser.parse_args()
    try:
        cfg = Config.fromfile(str(find_config(args.config)))
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        reports = check_config(cfg, None if args.all else args.samples, args.workers)
        print(as_text(reports))
        out = args.out or Path("work_dirs/check_data") / Path(args.config).stem
        for path in save(reports, out):
            print(f"written: {path}")
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if any(report.errors for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
