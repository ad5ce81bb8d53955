"""Converts frames of the CARLA simulator: images, labels by a taxonomy, and their lists.

    python tools/dataset_converters/carla.py IN data/carla --size 480x360

IN holds a folder of images (CameraRGB, rgb or images) and one of labels (CameraMask, CameraSeg,
semantic or labels) with the same names. Labels are tags (in one channel, or in the red one) in
either of CARLA's numberings, or colours of its CityScapesPalette; what was found is said, and a
folder that does not show it is refused until a switch names it. train.txt and val.txt of IN are
taken over; where there are none, tools/dataset_converters/split_by_run.py makes them. Interrupted,
it goes on where it was. Exit code 1 when a frame is unreadable or holds other tags.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from mmasg.commands.shipped_files import shipped
from mmasg.datasets.conversion.carla_tags import KINDS, find_out, read_tags
from mmasg.datasets.conversion.converter_command import (
    add_frame_options,
    check_folders,
    run_converter,
)
from mmasg.datasets.conversion.frame_conversion import (
    SPLITS,
    convert_frames,
    copy_splits,
    image_suffix,
    pair_frames,
)
from mmasg.datasets.conversion.label_conversion import ConversionReport
from mmasg.datasets.conversion_record import ConversionRecord
from mmasg.datasets.taxonomy import load_taxonomy
from mmasg.errors import wrong
from mmasg.files.listing import describe_folder

IMAGES = ("CameraRGB", "rgb", "images")
LABELS = ("CameraMask", "CameraSeg", "semantic", "labels")
SAMPLE = 60


def convert(args: argparse.Namespace) -> ConversionReport:
    """Converts images, labels and lists."""
    check_folders(args.source, args.out)
    taxonomy = load_taxonomy(args.taxonomy)
    images = _folder(args.source, args.images, IMAGES, "--images")
    labels = _folder(args.source, args.labels, LABELS, "--labels")
    frames = pair_frames(images, labels, args.label_suffix)
    sample = [frame.label for frame in frames[:: -(-len(frames) // SAMPLE)]]
    found = find_out(sample, args.labels_are, args.tags)
    print(f"labels: {found.kind}, read as {found.numbering} ({found.why})")
    if found.warning:
        print(f"warning: {found.warning}", file=sys.stderr)
    record = ConversionRecord.of(
        taxonomy, found.numbering, args.size, image_suffix(frames, args.size)
    )
    lists = {split: args.source / f"{split}.txt" for split in SPLITS}
    counts = copy_splits(lists, frames, args.out)
    read = partial(read_tags, kind=found.kind)
    report = convert_frames(
        frames, args.out, read, record, taxonomy, args.workers, args.overwrite, "CARLA frames"
    )
    if counts:
        print(f"lists taken over: {counts} of {len(frames)} frames")
    else:
        print(
            "IN has no train.txt and val.txt: make them without splitting runs by\n"
            f"  python tools/dataset_converters/split_by_run.py {args.out}"
        )
    return report


def _folder(root: Path, name: str | None, usual: tuple[str, ...], switch: str) -> Path:
    if name is not None:
        return root / name
    for candidate in usual:
        if (root / candidate).is_dir():
            return root / candidate
    raise FileNotFoundError(wrong(switch, None, f"the name of a folder; {describe_folder(root)}"))


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_frame_options(parser, shipped("configs/taxonomies/carla_camvid.yaml"))
    parser.add_argument("--images", help=f"image folder in IN (default: one of {IMAGES})")
    parser.add_argument("--labels", help=f"label folder in IN (default: one of {LABELS})")
    parser.add_argument("--label-suffix", default=".png", help="how labels end (default: .png)")
    parser.add_argument(
        "--labels-are",
        choices=("auto", *KINDS),
        default="auto",
        help="tags, colours of CARLA's palette, or its instance pictures (default: find out)",
    )
    parser.add_argument(
        "--tags",
        choices=("auto", "0.9.10", "0.9.14"),
        default="auto",
        help="numbering: 0.9.10 is that of all versions to 0.9.13 (default: find out)",
    )
    args = parser.parse_args()
    return run_converter(lambda: convert(args))


if __name__ == "__main__":
    sys.exit(main())
