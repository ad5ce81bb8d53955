"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
import json
import os

from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmasg.commands.command_line import (
    add_common_arguments,
    add_fit_arguments,
    check_fit,
    join_processes,
    read_config,
)
from mmasg.commands.test_options import (
    add_cityscapes,
    augment,
    choose_dataloader,
    draw_predictions,
    write_predictions,
)
from mmasg.guard.run_check import check_run


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Test a checkpoint")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    add_common_arguments(parser)
    add_fit_arguments(parser)
    parser.add_argument(
        "--dataloader",
        default="test_dataloader",
        help="which of the config's dataloaders to test on (val_dataloader, ...)",
    )
    parser.add_argument("--json", help="write the metrics into this file")
    parser.add_argument("--out", help="write the predictions into this folder")
    parser.add_argument("--show", action="store_true", help="show the predictions on the screen")
    parser.add_argument("--show-dir", help="write pictures of the predictions into this folder")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds a picture is shown")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument(
        "--cityscapes",
        action="store_true",
        help="evaluate by cityscapesscripts too (data in Cityscapes' layout)",
    )
    return parser.parse_args()


def main() -> None:
    """Build the runner from the config and test."""
    args = parse_args()
    cfg = read_config(args)
    if not os.path.isfile(args.checkpoint):
        raise FileNotFoundError(
            f"checkpoint: no file {args.checkpoint!r}. Training writes iter_*.pth (or epoch_*.pth) "
            f"into its work dir, {cfg.work_dir!r} by default"
        )
    cfg.load_from = args.checkpoint
    choose_dataloader(cfg, args.dataloader)
    if args.show or args.show_dir:
        draw_predictions(cfg, args.show, args.wait_time, args.show_dir)
    if args.tta:
        augment(cfg)
    if args.out is not None:
        write_predictions(cfg, args.out)
    if args.cityscapes:
        add_cityscapes(cfg, os.path.join(cfg.work_dir, "cityscapes"))
    check_fit(cfg, args, testing=True)
    check_run(cfg)
    join_processes(cfg)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    metrics = runner.test()
    if args.json and runner.rank == 0:
        os.makedirs(os.path.dirname(os.path.abspath(args.json)), exist_ok=True)
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(metrics, file, indent=1, default=float)  # NumPy's numbers


if __name__ == "__main__":
    main()
