"""Compute a dumped training step again: losses, gradient norms, and where NaN first appears.

python tools/replay_step.py work_dirs/NAME/non_finite_iter_1234_rank0.pth
"""

from __future__ import annotations

import argparse

import torch

import mmasg  # noqa: F401  (registers what configs name)
from mmasg.guard.step_dump import replay_step


def main() -> None:
    """Replay a dump and print a report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dump", help="file that NonFiniteLossHook has written")
    parser.add_argument(
        "--drop-hook", action="append", default=[], help="type of a custom hook to leave out"
    )
    parser.add_argument(
        "--detect-anomaly",
        action="store_true",
        help="stop in the operation whose gradient is NaN first, with its traceback",
    )
    args = parser.parse_args()
    with torch.autograd.set_detect_anomaly(args.detect_anomaly):
        result = replay_step(args.dump, tuple(args.drop_hook))
    print(f"iteration {result['iter'] + 1}")
    for name, value in result["losses"].items():
        print(f"  {name}: {value:.6g} (in the dump {result['dumped_losses'].get(name):.6g})")
    for group in result["groups"]:
        print(
            f"  group {group['name']}: rate {group['lr']:.6g}, "
            f"gradient norm {group['grad_norm']:.6g}"
        )
    bad = [name for name, g in result["gradients"].items() if not g.isfinite().all()]
    print(f"parameters whose gradient is not finite: {len(bad)} of {len(result['gradients'])}")
    for name in bad[-5:]:
        print(f"  {name}")


if __name__ == "__main__":
    main()
