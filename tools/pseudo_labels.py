"""Label the target by a model's own confident predictions (class-balanced self-training).

python tools/pseudo_labels.py CONFIG CHECKPOINT --out DIR --portion 0.2

The config names the unlabelled frames as ``target_dataset``. Label files are written in that data
set's layout (for a classifier a list of images), and pseudo_labels.json beside them says how they
were made. A call that was interrupted goes on where it stopped.
"""

import argparse
from pathlib import Path

import torch
from mmengine.config import DictAction
from mmengine.registry import MODELS

from mmasg.adaptation.pseudo_labels import never_predicted, shrunk_to, write_pseudo_labels
from mmasg.adaptation.target_frames import TargetFrames
from mmasg.commands.command_line import add_fit_arguments, read_config
from mmasg.prediction.image_prediction import load_weights


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write pseudo labels of the target")
    parser.add_argument("config", help="training config with a target_dataset")
    parser.add_argument("checkpoint", help="checkpoint whose predictions become labels")
    parser.add_argument("--out", required=True, help="folder of the label files")
    parser.add_argument(
        "--portion", type=float, default=0.2, help="share kept of the pixels of each class"
    )
    parser.add_argument("--mirror", action="store_true", help="average with the mirror image")
    parser.add_argument(
        "--soft",
        type=float,
        metavar="ALPHA",
        help="write soft labels too (CRST's LRENT; the paper's alpha is 0.25)",
    )
    parser.add_argument("--show-dir", help="write pictures of frame and label into this folder")
    parser.add_argument("--show-most", type=int, metavar="N", help="pictures at most (default all)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    add_fit_arguments(parser)
    args = parser.parse_args()
    args.work_dir, args.launcher, args.local_rank = args.out, "none", 0
    return args


def main() -> None:
    """Predict, choose, write, and print what was kept."""
    args = parse_args()
    cfg = read_config(args)
    frames = TargetFrames(cfg, args.mirror)
    model = MODELS.build(cfg.model)
    load_weights(model, args.checkpoint, args.allow_partial, args.prefix)
    model.to(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.eval()
    show = Path(args.show_dir) if args.show_dir else None
    summary = write_pseudo_labels(
        model,
        frames,
        Path(args.out),
        args.portion,
        Path(args.checkpoint),
        show,
        args.soft,
        args.show_most,
    )
    print(f"{'class':<16} {'threshold':>15}  predicted %  kept %")
    for name, threshold in summary["thresholds"].items():
        shown = "never predicted" if threshold is None else f"{threshold:.4f}"
        predicted, kept = summary["predicted"][name], summary["kept"][name]
        print(f"{name:<16} {shown:>15}  {predicted:11.3f}  {kept:6.3f}")
    what = "images" if frames.classifies else "pixels"
    print(f"{summary['ignored']:.1f}% of the {what} get no label; {len(frames)} frames: {args.out}")
    if lost := never_predicted(summary):
        print(f"kept out, as nothing is predicted as it: {', '.join(lost)}")
    only = shrunk_to(summary)
    if only:
        print(
            f"warning: nearly all that is kept is '{only}': training on these labels would unlearn "
            "the other classes. Look at --show-dir, or start from a better model."
        )


if __name__ == "__main__":
    main()
