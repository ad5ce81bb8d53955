"""Splits frames of video into train.txt and val.txt so that no run is in both.

    python tools/dataset_converters/split_by_run.py data/carla --val 0.1

Frames are those below ROOT/images. Runs are told by the numbers, or the dates and times, in their
names; --gap says which step begins a run, --pattern how names are to be read. A random split of
frames would validate on the neighbours of what was trained on.
"""

import argparse
import sys
from pathlib import Path

from mmasg.datasets.conversion.frame_conversion import write_splits
from mmasg.datasets.video_runs import find_runs, split_runs
from mmasg.errors import wrong
from mmasg.files.listing import describe_folder, list_files


def split(args: argparse.Namespace) -> None:
    """Finds the runs and writes the lists."""
    images = args.root / args.images
    names = [Path(file).with_suffix("").as_posix() for file in list_files(images)]
    if not names:
        raise FileNotFoundError(f"no images below {images.absolute()}; {describe_folder(images)}")
    shares = {"val": args.val, **({"test": args.test} if args.test else {})}
    there = [path for path in (args.root / f"{s}.txt" for s in ("train", *shares)) if path.exists()]
    if there and not args.overwrite:
        raise ValueError(
            wrong(
                str(there[0]),
                "a list that is there already",
                "none, or --overwrite",
                "Lists that came with the data make figures comparable; keep them if you can.",
            )
        )
    runs = find_runs(names, args.gap, args.pattern)
    lists = split_runs(runs, shares, args.seed)
    write_splits(lists, args.root)
    where = {name: part for part, listed in lists.items() for name in listed}
    for run in runs:
        print(
            f"{where[run.frames[0]]:<6} {len(run.frames):6d}  {run.frames[0]} ... {run.frames[-1]}"
        )
    counts = {part: len(listed) for part, listed in lists.items()}
    print(f"{len(runs)} runs; lists written to {args.root}: {counts}")


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="holds the images' folder; the lists go here")
    parser.add_argument("--images", default="images", help="image folder (default: images)")
    parser.add_argument("--val", type=float, default=0.1, help="share of val.txt (default: 0.1)")
    parser.add_argument("--test", type=float, help="share of test.txt (default: none)")
    parser.add_argument(
        "--gap",
        type=float,
        help="largest step within a run, in frames or seconds (default: 100 x the median step)",
    )
    parser.add_argument(
        "--pattern",
        help="regular expression for names, with (?P<run>...) and, where frames are numbered, "
        "(?P<frame>...)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of runs (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace lists that are there")
    args = parser.parse_args()
    try:
        split(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
