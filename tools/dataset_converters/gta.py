"""Converts GTA5's palette labels to training ids, and its official split to text lists.

    python tools/dataset_converters/gta.py data/gta5

writes ``labels/00001_labelTrainIds.png`` beside each ``labels/00001.png`` and, where
``split.mat`` is, ``train.txt``, ``val.txt`` and ``test.txt``. Interrupted, it goes on where it
was. Exit code 1 when a file is unreadable, has unknown ids, or is not of its image's size.
"""

import argparse
import sys
from pathlib import Path

from mmasg.datasets.class_maps import CITYSCAPES_IDS
from mmasg.datasets.conversion.conversion_jobs import (
    TRAIN_IDS,
    convert_gta_file,
    gta_jobs,
    write_gta_splits,
)
from mmasg.datasets.conversion.converter_command import add_run_options, run_converter
from mmasg.datasets.conversion.label_conversion import ConversionReport, run_conversion
from mmasg.datasets.conversion.record import Record


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts labels and split."""
    jobs = gta_jobs(args.root, args.labels, args.images, args.out_dir)
    mat = args.split_mat or args.root / "split.mat"
    if args.split_mat and not mat.is_file():
        raise FileNotFoundError(f"--split-mat: no file {mat.absolute()}")
    record = Record(args.out_dir or args.root / args.labels, TRAIN_IDS, dict(ids=CITYSCAPES_IDS))
    report = run_conversion(
        jobs, convert_gta_file, args.workers, args.overwrite, "GTA5 labels", record
    )
    if mat.is_file():
        bad = [path.stem for path, _ in report.failed] if args.leave_out_failed else []
        counts = write_gta_splits(args.root, mat, bad)
        print(f"lists written to {args.root}: {counts}")
    else:
        print(
            f"no {mat}, so train.txt, val.txt and test.txt were not written: put the official "
            "split.mat there (data/README.md) and start again, or set ann_file='' in the config "
            "to take every frame"
        )
    return report


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="holds images/ and labels/, e.g. data/gta5")
    parser.add_argument("--labels", default="labels", help="label folder (default: labels)")
    parser.add_argument("--images", default="images", help="image folder (default: images)")
    parser.add_argument("--out-dir", type=Path, help="where results go (default: beside labels)")
    parser.add_argument("--split-mat", type=Path, help="default: ROOT/split.mat where it exists")
    parser.add_argument(
        "--leave-out-failed", action="store_true", help="keep failed frames out of the lists"
    )
    add_run_options(parser)
    args = parser.parse_args()
    return run_converter(lambda: convert(args))


if __name__ == "__main__":
    sys.exit(main())
