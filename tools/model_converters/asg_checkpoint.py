"""Convert checkpoints of the paper's reference implementation, or back.

    python tools/model_converters/asg_checkpoint.py SRC DST
    python tools/model_converters/asg_checkpoint.py SRC DST --to-reference

SRC is a released segmentation, VisDA or policy file; which one is recognised from its names. DST
then loads strictly into the model of configs/asg/gta2cityscapes.py, of configs/asg/visda.py, or
into LSTMPolicy(num_groups=7). Where a tensor is missing, extra or of another shape, all of them
are listed and nothing is written.
"""

import argparse
import sys
from pathlib import Path

from mmasg.checkpoint.atomic_files import save_atomically
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.released.reference_checkpoint import from_reference, to_reference


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
        kind, content = (to_reference if args.to_reference else from_reference)(
            load_checkpoint(args.src, "cpu", "SRC")
        )
    except (FileNotFoundError, ValueError) as error:
        print(f"{error}\nNothing was written.", file=sys.stderr)
        return 1
    save_atomically(content, args.dst)
    weights = content.get("state_dict", content)
    kept = [key for key in content if key == "epoch" or str(key).startswith("best_")]
    print(f"{args.dst}: {kind}, {len(weights)} tensors" + (f", kept {kept}" if kept else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
