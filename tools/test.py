"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
import json
import os

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmasg.commands.command_line import add_common_arguments, join_processes, read_config
from mmasg.guard.run_check import check_run


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Test a checkpoint")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    add_common_arguments(parser)
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


def draw_predictions(cfg: Config, args: argparse.Namespace) -> None:
    """Turn on the visualisation hook for ``--show`` and ``--show-dir``."""
    hook = cfg.default_hooks.get("visualization")
    if hook is None:
        raise ValueError(
            "--show and --show-dir need a visualisation hook in the config, and default_hooks has "
            "none: add default_hooks=dict(visualization=dict(type='SegVisualizationHook'))"
        )
    hook.update(draw=True, interval=1)
    if args.show:
        hook.update(show=True, wait_time=args.wait_time)
    if args.show_dir:
        cfg.visualizer.save_dir = args.show_dir


def replace_pipelines(dataset: dict, pipeline: list) -> None:
    """Set the transforms of a data set's config, or of those that it wraps or joins."""
    if "pipeline" in dataset:
        dataset["pipeline"] = pipeline
    for inner in (dataset.get("dataset"), *dataset.get("datasets", ())):
        if isinstance(inner, dict):
            replace_pipelines(inner, pipeline)


def augment(cfg: Config) -> None:
    """Wrap the model for test-time augmentation."""
    missing = [key for key in ("tta_model", "tta_pipeline") if cfg.get(key) is None]
    if missing:
        raise ValueError(
            f"--tta: the config has no {' and no '.join(missing)}. Leave --tta out, or take them "
            "over from configs/_base_"
        )
    replace_pipelines(cfg.test_dataloader.dataset, cfg.tta_pipeline)
    cfg.model = {**cfg.tta_model, "module": cfg.model}


def write_predictions(cfg: Config, folder: str) -> None:
    """Have the metrics write what they compare: label maps, or a table of classes."""
    evaluators = cfg.test_evaluator
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        if evaluator.type == "PerClassAccuracy":
            evaluator.update(out_dir=folder)
        else:
            evaluator.update(output_dir=folder)


def choose_dataloader(cfg: Config, name: str) -> None:
    """Test on another dataloader of the config, by the same metrics."""
    if name == "test_dataloader":
        return
    if cfg.get(name) is None:
        have = [key for key in cfg if key.endswith("_dataloader")]
        raise ValueError(f"--dataloader: the config has no {name!r}; it has {', '.join(have)}")
    cfg.test_dataloader = cfg[name]


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
        draw_predictions(cfg, args)
    if args.tta:
        augment(cfg)
    if args.out is not None:
        write_predictions(cfg, args.out)
    if args.cityscapes:
        first = cfg.test_evaluator
        cfg.test_evaluator = [
            *(first if isinstance(first, list) else [first]),
            dict(
                type="CityscapesScriptsMetric", output_dir=os.path.join(cfg.work_dir, "cityscapes")
            ),
        ]
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
