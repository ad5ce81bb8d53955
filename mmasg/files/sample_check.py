"""Say which file is wrong when a training sample is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_REMEDY = "tools/check_data.py CONFIG lists all such files."


class SampleError(ValueError):
    """A sample of the training set cannot be used."""


def explain(dataset: Any, index: int, error: Exception) -> SampleError:
    """Turn an error of a pipeline into one that names the file.

    Args:
        dataset: The dataset (a mmengine ``BaseDataset`` for a good answer).
        index: Index of the sample.
        error: What the pipeline raised.

    Returns:
        The error to raise.
    """
    try:
        info = dataset.get_data_info(index)
    except Exception:
        info = {}
    sizes = {}
    for key in ("img_path", "seg_map_path"):
        path = info.get(key) if isinstance(info, Mapping) else None
        if not isinstance(path, (str, Path)) or "://" in str(path):
            continue
        if not Path(path).is_file():
            return SampleError(f"{key} of sample {index}: there is no file {path}. {_REMEDY}")
        try:
            with Image.open(path) as picture:
                picture.load()
                sizes[key] = (path, picture.size)
        except Exception as broken:
            reason = str(broken).splitlines()[0] if str(broken) else type(broken).__name__
            return SampleError(
                f"{key} of sample {index}: {path} is truncated or no image ({reason}). Download "
                f"or make it again, or take it out of the split. {_REMEDY}"
            )
    if len({size for _, size in sizes.values()}) > 1:
        return _sizes_differ(index, sizes)
    named = ", ".join(f"{key} {path}" for key, (path, _) in sizes.items()) or "no file named"
    return SampleError(
        f"sample {index} ({named}) could not be prepared by the pipeline: "
        f"{type(error).__name__}: {error}. Check train_dataloader.dataset.pipeline; {_REMEDY}"
    )


def _sizes_differ(index: int, sizes: Mapping[str, tuple[Any, tuple[int, int]]]) -> SampleError:
    described = " and ".join(f"{path} is {w} x {h}" for path, (w, h) in sizes.values())
    return SampleError(
        f"sample {index}: {described}: image and label map must have one size. Make the label "
        f"map again from its source, or take the pair out of the split. {_REMEDY}"
    )


def check_sample(dataset: Any, index: int, data: Any, ignore: int = 255) -> None:
    """Check a prepared segmentation sample: sizes, and label ids within the classes.

    Args:
        dataset: The dataset, with ``metainfo['classes']``.
        index: Index of the sample.
        data: What the pipeline gave; anything but a segmentation sample passes.
        ignore: The id that no loss counts. Defaults to 255.

    Raises:
        SampleError: If the sizes of image and label map differ, or an id is no class.
    """
    if not isinstance(data, Mapping) or data.get("data_samples") is None:
        return
    sample: Any = data["data_samples"]
    inputs: Any = data.get("inputs")
    labels = getattr(getattr(sample, "gt_sem_seg", None), "data", None)
    if labels is None or not hasattr(inputs, "shape"):
        return
    if labels.shape[-2:] != inputs.shape[-2:]:
        shapes = f"image {tuple(inputs.shape)}, label map {tuple(labels.shape)}"
        raise explain(dataset, index, ValueError(f"it gives shapes that differ: {shapes}"))
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
    if not classes:
        return
    counts = np.unique(labels.numpy())
    wrong = [int(i) for i in counts if i != ignore and not 0 <= i < len(classes)]
    if wrong:
        path = sample.get("seg_map_path", "?")
        raise SampleError(
            f"sample {index}: {path} has the label ids {wrong[:10]}, but the training set has "
            f"{len(classes)} classes (0 to {len(classes) - 1}, {ignore} is ignored). Label maps of "
            "original ids have to be converted first (tools/dataset_converters, data/README.md). "
            f"{_REMEDY}"
        )
