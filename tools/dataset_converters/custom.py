"""Converts the labels of any simulator to training ids, by a table that you write.

    python tools/dataset_converters/custom.py LABEL_FOLDER --id-map FILE

FILE is YAML (see ``id_map_example.yaml`` here) or CSV (header ``id,class`` or
``red,green,blue,class``) and says what each id or colour of your labels becomes. Interrupted, it
goes on where it was. Exit code 1 when a file is unreadable or holds values that FILE lacks.
"""

import argparse
import sys
from pathlib import Path

from mmasg.datasets.conversion.conversion_jobs import custom_jobs
from mmasg.datasets.conversion.converter_command import add_run_options, run_converter
from mmasg.datasets.conversion.id_map import load_id_map
from mmasg.datasets.conversion.label_conversion import ConversionReport, run_conversion


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts the labels."""
    id_map = load_id_map(args.id_map)
    jobs = custom_jobs(args.labels, args.out_dir, args.suffix, args.out_suffix)
    return run_conversion(jobs, id_map.convert, args.workers, args.overwrite, "labels")


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, help="folder of label pictures")
    parser.add_argument("--id-map", type=Path, required=True, help="YAML or CSV table")
    parser.add_argument("--out-dir", type=Path, help="where results go (default: beside labels)")
    parser.add_argument("--suffix", default=".png", help="how label files end (default: .png)")
    parser.add_argument(
        "--out-suffix",
        default="_labelTrainIds.png",
        help="what replaces it (default: _labelTrainIds.png)",
    )
    add_run_options(parser)
    args = parser.parse_args()
    return run_converter(lambda: convert(args))


if __name__ == "__main__":
    sys.exit(main())
