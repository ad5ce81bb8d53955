"""Converts Cityscapes' annotations to training ids through cityscapesscripts.

    python tools/dataset_converters/cityscapes.py data/cityscapes

writes ``*_gtFine_labelTrainIds.png`` beside each ``*_gtFine_polygons.json`` or, where a frame has
no polygons, ``*_gtFine_labelIds.png``. Interrupted, it goes on where it was. Exit code 1 when a
file is unreadable or has unknown labels.
"""

import argparse
import sys
from pathlib import Path

from mmasg.datasets.class_maps import CITYSCAPES_IDS
from mmasg.datasets.conversion.conversion_jobs import (
    TRAIN_IDS,
    cityscapes_jobs,
    convert_cityscapes_file,
)
from mmasg.datasets.conversion.converter_command import add_run_options, run_converter
from mmasg.datasets.conversion.label_conversion import ConversionReport, run_conversion
from mmasg.datasets.conversion.record import Record


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts the annotations."""
    jobs = cityscapes_jobs(args.root, args.gt_dir, args.splits, args.source, args.out_dir)
    parameters = dict(source=args.source, ids=CITYSCAPES_IDS)
    record = Record(args.out_dir or args.root / args.gt_dir, TRAIN_IDS, parameters)
    return run_conversion(
        jobs, convert_cityscapes_file, args.workers, args.overwrite, "Cityscapes labels", record
    )


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="holds gtFine/, e.g. data/cityscapes")
    parser.add_argument("--gt-dir", default="gtFine", help="default: gtFine")
    parser.add_argument("--splits", nargs="+", help="e.g. train val (default: all)")
    parser.add_argument(
        "--source", choices=("auto", "polygons", "labelIds"), default="auto", help="default: auto"
    )
    parser.add_argument("--out-dir", type=Path, help="where results go (default: beside)")
    add_run_options(parser)
    args = parser.parse_args()
    return run_converter(lambda: convert(args))


if __name__ == "__main__":
    sys.exit(main())
