"""Measure how far apart a config's two domains are.

    python tools/analysis/domain_gap.py configs/asg/mini_gta2cityscapes_baseline.py

prints (1) how well a linear probe on ImageNet features of whole frames tells source from target,
on frames it was not fitted to, and (2) the mIoU on the target's test split of two segmentors that
differ in nothing but their training frames: all of the source's, or a few of the target's
validation split. The figures are also written to ``domain_gap.json`` in the work dir.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, RUNNERS, init_default_scope
from mmengine.runner import Runner
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmasg  # noqa: F401  registers what configs name
from mmasg.commands.command_line import add_common_arguments, read_config
from mmasg.datasets.dataset_configs import innermost

DEFAULT_CONFIG = "configs/asg/mini_gta2cityscapes_baseline.py"


def evenly(count: int, total: int) -> list[int]:
    """``count`` places spread over ``range(total)``.

    Raises:
        ValueError: There are fewer than ``count`` places.
    """
    if not 1 <= count <= total:
        raise ValueError(f"{count} frames were asked for; 1 to {total} can be had")
    return [place * total // count for place in range(count)]


def image_paths(dataset: Any) -> list[str]:
    """Paths of a data set's images, from its config."""
    settings = copy.deepcopy(next(innermost(dataset)))
    settings["pipeline"] = []
    built = DATASETS.build(settings)
    return [built.get_data_info(index)["img_path"] for index in range(len(built))]


def build_features(cfg: Config) -> torch.nn.Module:
    """The config's backbone as its ImageNet checkpoint leaves it, in eval mode.

    Raises:
        ValueError: The backbone names no checkpoint.
    """
    settings = copy.deepcopy(cfg.model.backbone)
    if settings.get("init_cfg") is None and cfg.model.get("pretrained") is not None:
        settings["init_cfg"] = dict(type="Pretrained", checkpoint=cfg.model.pretrained)
    if settings.get("init_cfg") is None:
        raise ValueError(
            "model.backbone.init_cfg is missing, so there are no ImageNet features to probe: name "
            "a checkpoint there, or leave the probe out with --only segmentors"
        )
    backbone = MODELS.build(settings)
    backbone.init_weights()
    backbone.eval()  # on a line of its own: some backbones' train() returns None
    return backbone


@torch.no_grad()
def frame_features(backbone: torch.nn.Module, paths: list[str], cfg: Config) -> np.ndarray:
    """Mean of the last feature map of each frame.

    Args:
        backbone: Gives a tuple of maps (or one map).
        paths: The frames' files.
        cfg: For the input's mean and standard deviation.

    Returns:
        (frames, channels) float32.
    """
    preprocessing = cfg.model.data_preprocessor
    mean = np.asarray(preprocessing.mean, dtype=np.float32)
    std = np.asarray(preprocessing.std, dtype=np.float32)
    rows = []
    for path in paths:
        image = cv2.imread(path, cv2.IMREAD_COLOR)
        if image is None:
            raise FileNotFoundError(f"no readable image at {path}")
        if preprocessing.get("bgr_to_rgb", False):
            image = image[..., ::-1]
        pixels = torch.from_numpy(((image - mean) / std).transpose(2, 0, 1)[None].copy())
        maps = backbone(pixels.float())
        last = maps[-1] if isinstance(maps, (tuple, list)) else maps
        rows.append(last.mean(dim=(2, 3))[0].numpy())
    return np.stack(rows)


def probe_accuracy(
    fit: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray]
) -> float:
    """Balanced accuracy of a linear classifier of domains.

    Args:
        fit: Features (frames, channels) of the source and of the target to fit the classifier to.
        held_out: The same of frames that it has not seen.

    Returns:
        Mean of the two domains' shares of right answers, 0..1; 0.5 is chance.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(np.concatenate(fit), np.repeat([0, 1], [len(fit[0]), len(fit[1])]))
    right = [float((probe.predict(rows) == domain).mean()) for domain, rows in enumerate(held_out)]
    return sum(right) / 2


def run_probe(cfg: Config, frames: int) -> dict[str, Any]:
    """Fit and test the probe on ``frames`` frames of each domain, half of them held out.

    The target's frames to fit come from the validation split, the held-out ones from the test
    split; the source's are two halves of the training frames.
    """
    half = max(1, frames // 2)
    backbone = build_features(cfg)
    source = image_paths(cfg.train_dataloader.dataset)
    places = evenly(2 * half, len(source))
    groups = {"source fit": [source[i] for i in places[0::2]]}
    groups["source held out"] = [source[i] for i in places[1::2]]
    for name, loader in (("fit", cfg.val_dataloader), ("held out", cfg.test_dataloader)):
        target = image_paths(loader.dataset)
        groups[f"target {name}"] = [target[i] for i in evenly(half, len(target))]
    rows = {name: frame_features(backbone, paths, cfg) for name, paths in groups.items()}
    accuracy = probe_accuracy(
        (rows["source fit"], rows["target fit"]), (rows["source held out"], rows["target held out"])
    )
    return {"probe_accuracy": accuracy, "probe_frames_held_out": 2 * half}


def segmentor_config(cfg: Config, arm: str, target_frames: int) -> Config:
    """The config of one arm.

    Args:
        cfg: The config that both arms share.
        arm: ``'source'`` trains on the config's own frames, ``'target'`` on labelled frames of
            the target's validation split, through the same pipeline.
        target_frames: How many frames of that split, evenly spread.

    Returns:
        A copy whose work dir ends in the arm's name. Neither arm validates while training.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(Path(cfg.work_dir) / arm)
    if arm == "target":
        inner = next(innermost(cfg.train_dataloader.dataset))
        pipeline = copy.deepcopy(inner["pipeline"])
        total = len(image_paths(cfg.val_dataloader.dataset))
        wanted = copy.deepcopy(next(innermost(cfg.val_dataloader.dataset)))
        wanted.update(pipeline=pipeline, indices=evenly(target_frames, total), test_mode=False)
        inner.clear()
        inner.update(wanted)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    return cfg


def run_segmentor(cfg: Config) -> float:
    """Train and test one arm; returns the mIoU of the last iteration, 0..100."""
    cfg.experiment_name = f"{Path(cfg.work_dir).name}_{time.time_ns()}"
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    runner.train()
    return float(runner.test()["mIoU"])


def report(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    lines = []
    if "probe_accuracy" in figures:
        lines.append(
            "linear probe of the domain on ImageNet features: "
            f"{100 * figures['probe_accuracy']:.1f}% of {figures['probe_frames_held_out']} held-out"
            " frames right (chance 50%)"
        )
    if "miou_source_trained" in figures:
        few, many = figures["miou_target_trained"], figures["miou_source_trained"]
        lines += [
            "mIoU on the target's test split of a segmentor trained on",
            f"  {figures['target_frames']:4d} target frames: {few:5.1f}",
            f"  {figures['source_frames']:4d} source frames: {many:5.1f}",
            f"  gap: {few - many:.1f} points",
        ]
    return "\n".join(lines)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default=DEFAULT_CONFIG, help="a baseline's config")
    add_common_arguments(parser)
    parser.add_argument(
        "--target-frames", type=int, default=50, help="target frames to train on (default 50)"
    )
    parser.add_argument(
        "--probe-frames", type=int, default=100, help="frames of each domain (default 100)"
    )
    parser.add_argument("--only", choices=("probe", "segmentors"), help="measure this alone")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the tool; returns the figures that it prints."""
    args = parse_args(arguments)
    if args.work_dir is None:
        args.work_dir = "work_dirs/domain_gap"
    cfg = read_config(args)
    init_default_scope(cfg.get("default_scope", "mmseg"))
    figures: dict[str, Any] = {}
    if args.only != "segmentors":
        figures.update(run_probe(cfg, args.probe_frames))
    if args.only != "probe":
        figures["target_frames"] = args.target_frames
        figures["source_frames"] = len(image_paths(cfg.train_dataloader.dataset))
        for arm in ("target", "source"):
            settings = segmentor_config(cfg, arm, args.target_frames)
            figures[f"miou_{arm}_trained"] = run_segmentor(settings)
    folder = Path(cfg.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "domain_gap.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(report(figures))
    return figures


if __name__ == "__main__":
    main()
