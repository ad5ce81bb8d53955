"""Converts the labels of SYNTHIA-RAND-CITYSCAPES to training ids (16 of the 19 classes).

    python tools/dataset_converters/synthia.py data/synthia

writes ``GT/LABELS/0000000_labelTrainIds.png`` beside each ``GT/LABELS/0000000.png``. Interrupted,
it goes on where it was. Exit code 1 when a file is unreadable or has unknown ids.
"""

import argparse
import sys
from pathlib import Path

from mmasg.datasets.class_maps import SYNTHIA_IDS
from mmasg.datasets.conversion.conversion_jobs import (
    TRAIN_IDS,
    convert_synthia_file,
    synthia_jobs,
)
from mmasg.datasets.conversion.converter_command import add_run_options, run_converter
from mmasg.datasets.conversion.label_conversion import ConversionReport, run_conversion
from mmasg.datasets.conversion.record import Record


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts the labels."""
    jobs = synthia_jobs(args.root, args.labels, args.out_dir)
    record = Record(args.out_dir or args.root / args.labels, TRAIN_IDS, dict(ids=SYNTHIA_IDS))
    return run_conversion(
        jobs, convert_synthia_file, args.workers, args.overwrite, "SYNTHIA labels", record
    )


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="holds RGB/ and GT/, e.g. data/synthia")
    parser.add_argument("--labels", default="GT/LABELS", help="default: GT/LABELS")
    parser.add_argument("--out-dir", type=Path, help="where results go (default: beside labels)")
    add_run_options(parser)
    args = parser.parse_args()
    return run_converter(lambda: convert(args))


if __name__ == "__main__":
    sys.exit(main())
