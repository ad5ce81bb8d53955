"""Train a model: ``python tools/train.py configs/asg/gta2cityscapes.py``."""

import argparse

from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmasg.commands.command_line import (
    add_common_arguments,
    add_fit_arguments,
    check_fit,
    enable_amp,
    join_processes,
    read_config,
    show_progress,
)
from mmasg.guard.run_check import check_run
from mmasg.guard.training_check import TrainingCheckHook


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a model")
    parser.add_argument("config", help="config file")
    add_common_arguments(parser)
    add_fit_arguments(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint in the work dir"
    )
    parser.add_argument(
        "--rebuild-schedule",
        action="store_true",
        help="with --resume: take the config's schedules and base rates, moved forward to the "
        "checkpoint's iteration, instead of the checkpoint's",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision (needs a GPU)")
    return parser.parse_args()


def main() -> None:
    """Build the runner from the config and train."""
    args = parse_args()
    cfg = read_config(args)
    if args.amp:
        enable_amp(cfg)
    if args.resume:
        cfg.resume = True
    if args.rebuild_schedule:
        cfg.rebuild_schedule = True
    check_fit(cfg, args, testing=False)
    show_progress(cfg)
    check_run(cfg)
    join_processes(cfg)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    TrainingCheckHook.join(runner)
    runner.train()


if __name__ == "__main__":
    main()
