"""The pictures of a finished comparison."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmasg.visualization.class_bars import plot_class_bars
from mmasg.visualization.prediction_grid import draw_prediction_grid
from mmasg.visualization.rate_chart import plot_multipliers
from mmasg.visualization.training_curves import plot_training_curves

from .jobs import ROOT, Job
from .tables import MEAN_NAME, read_metrics

#: Rows of the grid of predictions.
_FRAMES = 5


def write_pictures(jobs: Sequence[Job], out: Path, target: str) -> list[Path]:
    """Write training curves, the bars of the classes, layer-wise rates and predictions.

    Args:
        jobs: Finished jobs of one task, one a column.
        out: Folder of the PNG files.
        target: Name of the test whose metrics are drawn.

    Returns:
        The files.
    """
    task = jobs[0].arm.task
    files = [out / f"{task}_training_curves.png", out / f"{task}_classes.png"]
    plot_training_curves({job.arm.title: job.folder for job in jobs}, files[0])
    metrics = {job.arm.title: read_metrics(job.metrics_file(target), task) for job in jobs}
    names = list(next(iter(metrics.values())))
    label = "IoU" if task == "seg" else "accuracy"
    plot_class_bars(
        [name.replace("_", " ") for name in names],
        {title: [m.get(n, float("nan")) for n in names] for title, m in metrics.items()},
        f"{label} on the target's test split (last bars: {MEAN_NAME[task]})",
        f"{label} (%)",
        files[1],
    )
    with_rates = {job.arm.title: job.folder for job in jobs if sets_rates(job)}
    if with_rates:
        files.append(out / f"{task}_rates.png")
        plot_multipliers(with_rates, files[-1])
    files.append(out / f"{task}_predictions.png")
    if task == "seg":
        _segmentation_grid(jobs, files[-1])
    else:
        _classification_grid(jobs, files[-1])
    return files


def sets_rates(job: Job) -> bool:
    """Whether layer-wise rates change while the job's network trains."""
    return any(hook["type"] == "LayerLRPolicyHook" for hook in job.cfg.get("custom_hooks") or [])


def _segmentation_grid(jobs: Sequence[Job], out: Path) -> None:
    from mmseg.datasets import CityscapesDataset

    dataset = jobs[0].cfg.test_dataloader.dataset
    root = _resolve(dataset.data_root)
    images = sorted((root / dataset.data_prefix.img_path).rglob("*_leftImg8bit.png"))
    chosen = images[:: max(1, len(images) // _FRAMES)][:_FRAMES]
    frames, truths = [], []
    for path in chosen:
        frames.append(_read(path, cv2.IMREAD_COLOR)[..., ::-1])
        label = root / dataset.data_prefix.seg_map_path / path.parent.name
        name = path.name.replace("_leftImg8bit.png", "_gtFine_labelTrainIds.png")
        truths.append(_read(label / name, cv2.IMREAD_UNCHANGED))
    predictions = {
        job.arm.title: [_read(job.predictions / p.name, cv2.IMREAD_UNCHANGED) for p in chosen]
        for job in jobs
    }
    info = CityscapesDataset.METAINFO
    draw_prediction_grid(frames, truths, predictions, info["classes"], info["palette"], out)


def _classification_grid(jobs: Sequence[Job], out: Path) -> None:
    from mmasg.visualization.image_grid import draw_classified_images

    tables = {job.arm.title: _read_table(job.predictions / "predictions.csv") for job in jobs}
    first = next(iter(tables.values()))
    by_class: dict[str, str] = {}
    for path, (truth, _) in sorted(first.items()):
        by_class.setdefault(truth, path)
    paths = list(by_class.values())
    draw_classified_images(
        [_read(_resolve(path), cv2.IMREAD_COLOR)[..., ::-1] for path in paths],
        [first[path][0] for path in paths],
        {title: [table[path][1] for path in paths] for title, table in tables.items()},
        out,
    )


def _read_table(file: Path) -> dict[str, tuple[str, str]]:
    with open(file, encoding="utf-8", newline="") as stream:
        return {row["image"]: (row["label"], row["prediction"]) for row in csv.DictReader(stream)}


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise FileNotFoundError(f"no readable image {str(path)!r}; run the test again")
    return image


def _resolve(path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else ROOT / path
