"""The pictures of one seed of a comparison: curves, classes, rates, predictions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.registry import DATASETS, init_default_scope

from mmasg.datasets.dataset_configs import innermost, palette_of
from mmasg.visualization.class_bars import plot_class_bars
from mmasg.visualization.image_grid import draw_classified_images
from mmasg.visualization.prediction_grid import draw_prediction_grid
from mmasg.visualization.rate_chart import plot_multipliers
from mmasg.visualization.scalar_log import read_multipliers, read_scalars
from mmasg.visualization.training_curves import plot_training_curves

from .arms import Arm
from .results import Result, main_metric
from .tables import metric_title

#: Rows of the grid of predictions.
_FRAMES = 5
#: Steps of a test pipeline that read files.
_LOADING = ("LoadImageFromFile", "LoadAnnotations")


def write_pictures(results: Sequence[Result], tests: Mapping[str, str], out: Path) -> list[Path]:
    """Write training curves, bars of the classes, layer-wise rates and predictions.

    A picture whose files (logs, predictions) are no longer there is left out.

    Args:
        results: Results of one group and seed, one a column.
        tests: ``{name: dataloader}``; classes and predictions are the first one's.
        out: Folder of the PNG files.

    Returns:
        The files.
    """
    prefix = f"{results[0].group}_" if results[0].group else ""
    test, loader = next(iter(tests.items()))
    files = []

    def file(name: str) -> Path:
        files.append(out / f"{prefix}{name}.png")
        return files[-1]

    logged = {r.title: r.folder for r in results if _reads(read_scalars, r.folder)}
    if logged:
        plot_training_curves(logged, file("training_curves"))
    classes = {result.title: found for result in results if (found := result.classes(loader))}
    if classes:
        names = list(dict.fromkeys(name for found in classes.values() for name in found))
        mean = metric_title(main_metric(results, loader))
        label = "IoU" if mean == "mIoU" else "accuracy"
        plot_class_bars(
            [name.replace("_", " ") for name in names],
            {title: [c.get(n, float("nan")) for n in names] for title, c in classes.items()},
            f"{label}, {test} (last bars: {mean})",
            f"{label} (%)",
            file("classes"),
        )
    with_rates = {r.title: r.folder for r in results if _reads(read_multipliers, r.folder)}
    if with_rates:
        plot_multipliers(with_rates, file("rates"))
    predictions = {result.title: Path(result.folder) / "predictions" for result in results}
    if all((folder / "predictions.csv").is_file() for folder in predictions.values()):
        _classification_grid(predictions, file("predictions"))
    elif all(any(folder.glob("*.png")) for folder in predictions.values()):
        _segmentation_grid(results[0], loader, predictions, file("predictions"))
    return [file for file in files if file.is_file()]


def _reads(reader: Any, folder: str) -> bool:
    try:
        return bool(reader(folder))
    except (FileNotFoundError, ValueError):
        return False


def _segmentation_grid(
    result: Result, loader: str, predictions: Mapping[str, Path], out: Path
) -> None:
    cfg = Arm(result.name, result.config, options=tuple(result.options)).read()
    init_default_scope(cfg.get("default_scope", "mmseg"))
    settings = next(innermost(cfg[loader].dataset))  # of several targets the first
    # Images and labels as they are in the files, which is how large predictions are written.
    steps = [step for step in settings["pipeline"] if step["type"].split(".")[-1] in _LOADING]
    dataset = DATASETS.build({**settings, "pipeline": steps})
    count = len(dataset)
    chosen = list(range(0, count, max(1, count // _FRAMES)))[:_FRAMES]
    samples = [dataset[index] for index in chosen]
    names = [f"{Path(sample['img_path']).stem}.png" for sample in samples]
    if not all((folder / name).is_file() for folder in predictions.values() for name in names):
        print(f"no {out.name}: the predictions of some frames are not there")
        return
    classes = dataset.metainfo["classes"]
    draw_prediction_grid(
        [sample["img"][..., ::-1] for sample in samples],
        [sample["gt_seg_map"] for sample in samples],
        {
            title: [_read(folder / name, cv2.IMREAD_UNCHANGED) for name in names]
            for title, folder in predictions.items()
        },
        classes,
        dataset.metainfo.get("palette") or palette_of(settings, len(classes)),
        out,
    )


def _classification_grid(predictions: Mapping[str, Path], out: Path) -> None:
    tables = {title: _table(folder / "predictions.csv") for title, folder in predictions.items()}
    first = next(iter(tables.values()))
    by_class: dict[str, str] = {}
    for path, (truth, _) in sorted(first.items()):
        if all(path in table for table in tables.values()):  # arms may be tested on other images
            by_class.setdefault(truth, path)
    paths = list(by_class.values())
    if not paths:
        print(f"no {out.name}: no image was predicted by every arm")
        return
    draw_classified_images(
        [_read(Path(path), cv2.IMREAD_COLOR)[..., ::-1] for path in paths],
        [first[path][0] for path in paths],
        {title: [table[path][1] for path in paths] for title, table in tables.items()},
        out,
    )


def _table(file: Path) -> dict[str, tuple[str, str]]:
    with open(file, encoding="utf-8", newline="") as stream:
        return {row["image"]: (row["label"], row["prediction"]) for row in csv.DictReader(stream)}


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise FileNotFoundError(f"no readable image {str(path)!r}; run the test again")
    return image
