"""How many pixels of each class every labelled frame of a source has, counted once and kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import barrier, is_main_process
from mmengine.registry import TRANSFORMS
from tqdm import tqdm

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.files.json_file import read_json
from mmasg.files.loading import leaves

_WRITER = "RareClassSampler"


def class_statistics(dataset: Any, file: str | Path | None, key: str) -> np.ndarray:
    """Pixels of every class in every sample of a data set.

    Label maps are read as the training reads them (``LoadAnnotations`` with the data set's
    ``label_map``); an image with one label counts one pixel.

    Args:
        dataset: The data set, or a wrapper around one.
        file: JSON file that keeps the counts: read where it is of these very samples, written
            else, by the main process while the others wait. None: counted in every run.
        key: Config key of ``file``, for errors.

    Returns:
        (samples, classes), int64.

    Raises:
        ValueError: The data set names no classes, or the file is no such statistics.
    """
    classes = list((getattr(dataset, "metainfo", None) or {}).get("classes") or ())
    if not classes:
        raise ValueError(
            f"{key}: the data set names no classes, so none can be rare. Give it "
            "metainfo=dict(classes=[...])."
        )
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    names = [str(info.get("seg_map_path") or info.get("img_path")) for info in infos]
    if file is None:
        return _count(dataset, infos, len(classes))
    path = Path(file)
    # One process decides: another that looked later would find what this one has just written.
    if is_main_process() and (not path.is_file() or _read(path, names, classes, key) is None):
        counts = _count(dataset, infos, len(classes))
        content = dict(classes=classes, samples=names, pixels=counts.tolist())
        write_atomically(json.dumps(content).encode(), path)
    barrier()
    found = _read(path, names, classes, key)
    assert found is not None
    return found


def _read(path: Path, names: Sequence[str], classes: list[str], key: str) -> np.ndarray | None:
    """The counts of a file, or None where it is of other samples."""
    content = read_json(path, key, _WRITER)
    if content.get("classes") != classes or content.get("samples") != list(names):
        return None
    counts = np.asarray(content.get("pixels"), dtype=np.int64)
    if counts.shape != (len(names), len(classes)):
        raise ValueError(f"{key}: {path} is cut off or changed. Remove it, and it is made anew.")
    return counts


def _count(dataset: Any, infos: Sequence[dict], classes: int) -> np.ndarray:
    counts = np.zeros((len(infos), classes), dtype=np.int64)
    load = _loader(dataset)
    for index, info in enumerate(tqdm(infos, desc="count classes", unit="frame")):
        if "gt_label" in info:
            counts[index, int(info["gt_label"])] = 1
        else:
            labels = load(dict(info))["gt_seg_map"]
            counts[index] = np.bincount(labels.ravel(), minlength=256)[:classes]
    return counts


def _loader(dataset: Any) -> Any:
    """The step of the training's pipeline that reads label maps."""
    leaf = next(leaves(dataset))
    steps = getattr(getattr(leaf, "pipeline", None), "transforms", None) or ()
    for step in steps:
        if "LoadAnnotations" in type(step).__name__:
            return step
    return TRANSFORMS.build(dict(type="mmseg.LoadAnnotations"))
