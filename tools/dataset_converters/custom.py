"""Converts the labels of any simulator to training ids, by a table that you write.

    python tools/dataset_converters/custom.py LABEL_FOLDER --id-map FILE
    python tools/dataset_converters/custom.py LABEL_FOLDER --taxonomy FILE --dataset NAME

The FILE of --id-map is YAML (see ``id_map_example.yaml`` here) or CSV (header ``id,class`` or
``red,green,blue,class``) and says which of Cityscapes' classes each id or colour of your labels
becomes. A taxonomy names classes of your own for several data sets (see
``configs/taxonomies/carla_camvid.yaml``), which ``TaxonomyDataset`` reads. Interrupted, it goes on
where it was. Exit code 1 when a file is unreadable or holds values that FILE lacks, or when
FILE has changed since the finished files were made: --overwrite makes all of them again.
"""

import argparse
import sys
from pathlib import Path

from mmasg.datasets.conversion.conversion_jobs import custom_jobs
from mmasg.datasets.conversion.converter_command import add_run_options, run_converter
from mmasg.datasets.conversion.id_map import IdMap, load_id_map
from mmasg.datasets.conversion.label_conversion import ConversionReport, run_conversion
from mmasg.datasets.conversion.record import Record
from mmasg.datasets.conversion_record import ConversionRecord
from mmasg.datasets.taxonomy import load_taxonomy
from mmasg.errors import wrong


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts the labels."""
    if (args.taxonomy is None) != (args.dataset is None):
        raise ValueError(
            wrong("--dataset", args.dataset, "the name of a data set in the FILE of --taxonomy")
        )
    jobs = custom_jobs(args.labels, args.out_dir, args.suffix, args.out_suffix)
    folder = args.out_dir or args.labels
    if args.taxonomy is None:
        id_map = load_id_map(args.id_map)
        parameters = id_map.parameters()
    else:
        taxonomy = load_taxonomy(args.taxonomy)
        id_map = IdMap.of(taxonomy, args.dataset)
        parameters = ConversionRecord.of(taxonomy, args.dataset).parameters()
    kept = Record(folder, args.out_suffix, parameters)
    return run_conversion(jobs, id_map.convert, args.workers, args.overwrite, "labels", kept)


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, help="folder of label pictures")
    table = parser.add_mutually_exclusive_group(required=True)
    table.add_argument("--id-map", type=Path, help="YAML or CSV table to Cityscapes' classes")
    table.add_argument("--taxonomy", type=Path, help="YAML of common classes, with --dataset")
    parser.add_argument("--dataset", help="name of your labels in the taxonomy")
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
