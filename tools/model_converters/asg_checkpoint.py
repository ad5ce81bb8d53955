"""Convert checkpoints of the paper's reference implementation, or back.

    python tools/model_converters/asg_checkpoint.py SRC DST
    python tools/model_converters/asg_checkpoint.py SRC DST --to-reference

SRC is a released segmentation, VisDA or policy file; which one is recognised from its names. DST
then loads strictly into the model of configs/asg/gta2cityscapes.py, of configs/asg/visda.py, or
into LSTMPolicy(num_groups=7). Where a tensor is missing, extra or of another shape, all of them
are listed and nothing is written.
"""

import argparse
import os
import pickle
import sys
import tempfile
from pathlib import Path

import torch

from mmasg.released.reference_checkpoint import from_reference, to_reference


def read(path: Path):
    """Read a file without executing anything in it.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it holds more than tensors and plain values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"SRC: no file {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"SRC: {path} holds pickled objects besides tensors and is not loaded for safety "
            f"(checkpoints of a training run hold its log). If the file is your own, save its "
            'weights alone first: python -c "import torch; c = torch.load('
            f"'{path}', weights_only=False); torch.save(dict(state_dict=c['state_dict']), "
            "'weights.pth')\""
        ) from error


def write(content: dict, path: Path) -> None:
    """Write a checkpoint in one step: an interrupted run leaves no half file under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        torch.save(content, temporary)
        # mkstemp makes files private; give this one the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> int:
    """Convert one file; 1 when it does not fit, with the reasons on stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("src", type=Path, metavar="SRC")
    parser.add_argument("dst", type=Path, metavar="DST")
    parser.add_argument("--to-reference", action="store_true", help="back to the released form")
    args = parser.parse_args(argv)
    try:
        kind, content = (to_reference if args.to_reference else from_reference)(read(args.src))
    except (FileNotFoundError, ValueError) as error:
        print(f"{error}\nNothing was written.", file=sys.stderr)
        return 1
    write(content, args.dst)
    weights = content.get("state_dict", content)
    kept = [key for key in content if key == "epoch" or str(key).startswith("best_")]
    print(f"{args.dst}: {kind}, {len(weights)} tensors" + (f", kept {kept}" if kept else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
