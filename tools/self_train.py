"""Rounds of class-balanced self-training on unlabelled target frames.

python tools/self_train.py CONFIG CHECKPOINT --rounds 3 --work-dir work_dirs/adapted

Each round labels the target (tools/pseudo_labels.py) and trains on source and target together
(tools/train.py) with a config that is written into its folder. A killed call goes on where it
stopped; rounds that are done are not done again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmasg.adaptation.self_training import PORTIONS, portion_of, round_config
from mmasg.checkpoint.atomic_files import is_whole_checkpoint
from mmasg.commands.command_line import read_config

TOOLS = Path(__file__).resolve().parent


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Self-training in rounds")
    parser.add_argument("config", help="training config with a target_dataset")
    parser.add_argument("checkpoint", help="checkpoint of the model trained on the source")
    parser.add_argument("--rounds", type=int, default=3, help="rounds")
    parser.add_argument("--work-dir", required=True, help="folder of the rounds")
    parser.add_argument("--iters", type=int, help="iterations of a round (default: the config's)")
    parser.add_argument(
        "--portions",
        type=float,
        nargs=3,
        default=PORTIONS,
        metavar=("FIRST", "STEP", "MOST"),
        help="share of each class's pixels that is kept: in the first round, more each round, cap",
    )
    parser.add_argument(
        "--ratio", type=int, nargs=2, default=(1, 1), help="source and target samples in a turn"
    )
    parser.add_argument("--mirror", action="store_true", help="label by the mirror image too")
    parser.add_argument(
        "--regularizer",
        choices=("none", "mrkld"),
        default="none",
        help="none: CBST; mrkld: CRST's model regularisation (adds MRKLDLoss to the head)",
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args()
    args.launcher, args.local_rank = "none", 0
    return args


def run(tool: str, *arguments: str) -> None:
    """Run one of the commands beside this one; end with its code where it fails."""
    code = subprocess.run([sys.executable, str(TOOLS / tool), *arguments]).returncode
    if code:
        raise SystemExit(code)


def main() -> None:
    """Do the rounds."""
    args = parse_args()
    if args.rounds < 1:
        raise ValueError(f"--rounds: got {args.rounds}; allowed: a whole number above 0.")
    cfg = read_config(args)
    if args.regularizer == "mrkld":
        losses = cfg.model.decode_head.loss_decode
        losses = list(losses) if isinstance(losses, (list, tuple)) else [losses]
        cfg.model.decode_head.loss_decode = [*losses, dict(type="MRKLDLoss")]
    checkpoint = Path(args.checkpoint)
    for number in range(args.rounds):
        folder = Path(args.work_dir) / f"round_{number + 1}"
        labels, work_dir = folder / "labels", folder / "train"
        made = round_config(
            cfg, labels, checkpoint, work_dir, args.ratio, args.iters, args.cfg_options
        )
        last = work_dir / f"iter_{made.train_cfg.max_iters}.pth"
        if is_whole_checkpoint(last):
            print(f"round {number + 1} is done: {last}")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            config = folder / "config.py"
            made.dump(str(config))
            portion = portion_of(number, args.portions)
            mirror = ["--mirror"] if args.mirror else []
            run(
                "pseudo_labels.py", str(config), str(checkpoint), "--out", str(labels),
                "--portion", str(portion), "--show-dir", str(folder / "pictures"), *mirror,
            )  # fmt: skip
            # mmengine resumes what load_from names; the round's own newest checkpoint comes first.
            begun = (work_dir / "last_checkpoint").is_file()
            goes_on = ["--resume", "--cfg-options", "load_from=None"] if begun else []
            run("train.py", str(config), "--work-dir", str(work_dir), *goes_on)
        checkpoint = last
    print(f"adapted: {checkpoint}")


if __name__ == "__main__":
    main()
