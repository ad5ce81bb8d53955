"""Converts CamVid: images, labels by a taxonomy, and the lists of its splits.

    python tools/dataset_converters/camvid.py IN data/camvid

IN is either the 11-class form (train, trainannot, val, valannot and, where there is one, test,
testannot; index pictures), or the original (701_StillsRaw_full and LabeledApproved_full; pictures
of 32 colours named NAME_L.png), whose splits are taken from IN's train.txt, val.txt and test.txt.
Interrupted, it goes on where it was. Exit code 1 when a frame is unreadable or holds other labels.
"""

import argparse
import sys
from pathlib import Path

from mmasg.commands.shipped_files import shipped
from mmasg.datasets.conversion.camvid_labels import read_camvid_labels
from mmasg.datasets.conversion.converter_command import (
    add_frame_options,
    check_folders,
    run_converter,
)
from mmasg.datasets.conversion.frame_conversion import (
    SPLITS,
    Frame,
    convert_frames,
    copy_splits,
    image_suffix,
    pair_frames,
    write_splits,
)
from mmasg.datasets.conversion.label_conversion import ConversionReport
from mmasg.datasets.conversion_record import ConversionRecord
from mmasg.datasets.taxonomy import load_taxonomy
from mmasg.errors import first_of, wrong
from mmasg.files.listing import describe_folder

IMAGES, LABELS = "701_StillsRaw_full", "LabeledApproved_full"


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts images, labels and lists."""
    check_folders(args.source, args.out)
    taxonomy = load_taxonomy(args.taxonomy)
    parts = [split for split in SPLITS if (args.source / split).is_dir()]
    if (args.source / IMAGES).is_dir():
        frames = pair_frames(args.source / IMAGES, args.source / LABELS, "_L.png")
        lists = {split: args.source / f"{split}.txt" for split in SPLITS}
        counts = copy_splits(lists, frames, args.out)
    elif parts:
        frames, counts = _by_split(args.source, parts, args.out)
    else:
        raise FileNotFoundError(
            wrong(
                "IN",
                str(args.source),
                f"a folder with train and trainannot, or {IMAGES} and {LABELS}",
                describe_folder(args.source),
            )
        )
    record = ConversionRecord.of(taxonomy, "camvid", args.size, image_suffix(frames, args.size))
    report = convert_frames(
        frames,
        args.out,
        read_camvid_labels,
        record,
        taxonomy,
        args.workers,
        args.overwrite,
        "CamVid frames",
    )
    if counts:
        print(f"lists written: {counts} of {len(frames)} frames")
    else:
        print(
            "IN has no train.txt and val.txt: make them without splitting runs by\n"
            f"  python tools/dataset_converters/split_by_run.py {args.out}"
        )
    return report


def _by_split(root: Path, parts: list[str], out: Path) -> tuple[list[Frame], dict[str, int]]:
    """The frames of all splits of the 11-class form, whose lists are written."""
    frames: dict[str, Frame] = {}
    names: dict[str, list[str]] = {}
    for split in parts:
        found = pair_frames(root / split, root / f"{split}annot")
        both = [frame.name for frame in found if frame.name in frames]
        if both:
            raise ValueError(f"{root}: {split} has frames of another split: {first_of(both, 3)}")
        frames.update({frame.name: frame for frame in found})
        names[split] = [frame.name for frame in found]
    write_splits(names, out)
    return list(frames.values()), {split: len(listed) for split, listed in names.items()}


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_frame_options(parser, shipped("configs/taxonomies/carla_camvid.yaml"))
    args = parser.parse_args()
    return run_converter(lambda: convert(args))


if __name__ == "__main__":
    sys.exit(main())
