"""Rounds of class-balanced self-training on unlabelled target frames.

python tools/self_train.py CONFIG CHECKPOINT --rounds 3 --work-dir work_dirs/adapted

Each round labels the target (tools/pseudo_labels.py) and trains on source and target together
(tools/train.py) with a config that is written into its folder. What a switch leaves open, the
config's ``self_training = dict(rounds=3, regularizer='mrkld', ...)`` says. A killed call goes on
where it stopped; rounds that are done are not done again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmasg.adaptation.self_training import REGULARIZERS, Rounds, round_config
from mmasg.checkpoint.atomic_files import is_whole_checkpoint, write_atomically
from mmasg.commands.command_line import read_config

TOOLS = Path(__file__).resolve().parent


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Self-training in rounds")
    parser.add_argument("config", help="training config with a target_dataset")
    parser.add_argument("checkpoint", help="checkpoint of the model trained on the source")
    parser.add_argument("--work-dir", required=True, help="folder of the rounds")
    rounds = parser.add_argument_group("rounds")
    rounds.add_argument("--rounds", type=int, help="rounds (default 3)")
    rounds.add_argument("--iters", type=int, help="iterations of a round (default: the config's)")
    rounds.add_argument(
        "--portions",
        type=float,
        nargs=3,
        metavar=("FIRST", "STEP", "MOST"),
        help="share of each class's pixels that is kept: in the first round, more each round, cap "
        "(default 0.2 0.05 0.5)",
    )
    rounds.add_argument(
        "--ratio", type=int, nargs=2, help="source and target samples in a turn (default 1 1)"
    )
    rounds.add_argument(
        "--mirror", action="store_true", default=None, help="label by the mirror image too"
    )
    rounds.add_argument(
        "--regularizer",
        choices=REGULARIZERS,
        help="none: CBST (default); CRST: mrkld, of the model, or lrent, soft labels",
    )
    rounds.add_argument("--alpha", type=float, help="its weight (default: the paper's, 0.1, 0.25)")
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
    cfg = read_config(args)
    names = ("rounds", "iters", "portions", "ratio", "mirror", "regularizer", "alpha")
    rounds = Rounds.of(cfg, {name: getattr(args, name) for name in names})
    checkpoint = Path(args.checkpoint)
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"checkpoint: no file {args.checkpoint!r}. Train on the source first: tools/train.py"
        )
    for number in range(rounds.rounds):
        folder = Path(args.work_dir) / f"round_{number + 1}"
        labels, work_dir = folder / "labels", folder / "train"
        made = round_config(cfg, labels, checkpoint, work_dir, rounds, args.cfg_options)
        last = work_dir / f"iter_{made.train_cfg.max_iters}.pth"
        if is_whole_checkpoint(last):
            print(f"round {number + 1} is done: {last}")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            config = folder / "config.py"
            made.dump(str(config))
            switches = ["--mirror"] if rounds.mirror else []
            switches += ["--soft", str(rounds.soft)] if rounds.soft is not None else []
            run(
                "pseudo_labels.py", str(config), str(checkpoint), "--out", str(labels),
                "--portion", str(rounds.portion(number)), "--show-dir", str(folder / "pictures"),
                "--show-most", "20", *switches,
            )  # fmt: skip
            # mmengine resumes what load_from names; the round's own newest checkpoint comes first.
            begun = (work_dir / "last_checkpoint").is_file()
            goes_on = ["--resume", "--cfg-options", "load_from=None"] if begun else []
            run("train.py", str(config), "--work-dir", str(work_dir), *goes_on)
        checkpoint = last
    write_atomically(str(checkpoint.resolve()).encode(), Path(args.work_dir) / "last_checkpoint")
    print(f"adapted: {checkpoint}")


if __name__ == "__main__":
    main()
