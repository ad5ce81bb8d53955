"""Predict images without labels: ``python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER``.

Segmentation writes, per image, ``<name>_overlay.png`` (classes painted over the image) and
``<name>_labelTrainIds.png`` (train ids); classification writes one ``predictions.csv``. An image
that cannot be predicted is named at the end, and the exit code is 1.
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmasg.commands.command_line import add_fit_arguments, read_config
from mmasg.errors import first_of, wrong
from mmasg.prediction.images import find_images
from mmasg.prediction.predictor import Predictor, choose_device


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Predict images without labels")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("images", help="an image, or a folder that is searched for images")
    parser.add_argument("--out", default="predictions", help="folder to write into")
    parser.add_argument(
        "--device", default=None, help="cpu, cuda, cuda:1, ... (default: a GPU where there is one)"
    )
    parser.add_argument("--opacity", type=float, default=0.6, help="of the painted classes, 0 to 1")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    add_fit_arguments(parser)
    args = parser.parse_args()
    args.work_dir, args.launcher, args.local_rank = args.out, "none", 0
    return args


def main() -> int:
    """Predict and write; 1 where an image could not be predicted."""
    args = parse_args()
    if not 0 <= args.opacity <= 1:
        raise ValueError(wrong("--opacity", args.opacity, "0 (the image alone) to 1"))
    cfg = read_config(args)
    device = choose_device(args.device)
    root = Path(args.images) if Path(args.images).is_dir() else Path(args.images).parent
    images = find_images(args.images, args.out)
    predictor = Predictor(
        cfg, args.checkpoint, device, allow_partial=args.allow_partial, prefix=args.prefix
    )
    failed = predictor.write(images, root, Path(args.out), args.opacity)
    print(f"{len(images) - len(failed)} image(s) predicted; the results are in {args.out}")
    if failed:
        reasons = first_of([f"\n  {path}: {reason}" for path, reason in failed.items()])
        print(f"{len(failed)} could not be predicted: {reasons}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
