"""Say which file is wrong when a training sample is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .head_labels import Head, describe_ignored
from .loading import Loading, leaves, loading_of
from .sound_pair import KINDS, find_faults

_REMEDY = "tools/check_data.py CONFIG lists all such files."
_CONVERT = (
    "Label maps of original ids have to be converted first (tools/dataset_converters, "
    f"data/README.md). {_REMEDY}"
)
#: Where the data workers leave what the model has to judge, in a sample's meta information.
NOTE = "label_ids_outside"


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
    paths = _paths(dataset, index)
    fault = _fault(index, paths, loading_of(dataset), everything=True)
    if fault is not None:
        return fault
    named = ", ".join(f"{key} {path}" for key, path in paths.items()) or "no file named"
    why = f"there is no key {error}" if isinstance(error, KeyError) else error
    return SampleError(
        f"sample {index} ({named}) could not be prepared by the pipeline: {why}. Check "
        f"train_dataloader.dataset.pipeline; {_REMEDY}"
    )


def check_files(dataset: Any, index: int, loading: Loading) -> None:
    """Look at the heads of a sample's files, before its pipeline loads them.

    Args:
        dataset: The dataset; one that names no files passes.
        index: Index of the sample.
        loading: How its pipeline loads files.

    Raises:
        SampleError: If image and label are no sound pair (:mod:`mmasg.files.sound_pair`).
    """
    paths = _paths(dataset, index)
    if loading.labels and len(paths) == 2:
        fault = _fault(index, paths, loading)
        if fault is not None:
            raise fault


def check_sample(dataset: Any, index: int, data: Any) -> None:
    """Check a prepared segmentation sample: sizes, and label ids within the classes.

    A head may leave out another id than the data set's ``ignore_index``, which a data worker
    cannot know: one such id, and those that are left out as a rule, are noted in the sample for
    :func:`judge_batch`; more than one is an error here.

    Args:
        dataset: The dataset, with ``metainfo['classes']``.
        index: Index of the sample.
        data: What the pipeline gave; anything but a segmentation sample passes.

    Raises:
        SampleError: If the sizes of image and label map differ, or several ids are no class.
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
    ids = np.unique(labels.numpy()).tolist()
    outside = [value for value in ids if not 0 <= value < len(classes)]
    ignored = {leaf_ignore(leaf) for leaf in leaves(dataset)} | {255}
    strange = [value for value in outside if value not in ignored]
    if len(strange) > 1:
        raise SampleError(
            f"sample {index}: {sample.get('seg_map_path', '?')} has the label ids {strange[:10]}, "
            f"but the training set has {len(classes)} classes (0 to {len(classes) - 1}, "
            f"{_join(ignored)} may be ignored). {_CONVERT}"
        )
    if outside:
        sample.set_metainfo({NOTE: (outside, leaf_ignore(next(leaves(dataset))))})


def judge_batch(samples: Iterable[Any], heads: Iterable[Head], padding: int | None = None) -> None:
    """Judge the ids that :func:`check_sample` has noted by what the heads take.

    Args:
        samples: The data samples of a batch.
        heads: From :func:`mmasg.files.head_labels.heads_of`; none: all passes.
        padding: The id by which the batch is padded; None: it is not.

    Raises:
        SampleError: If an id is no class and is not left out by a head and its losses; names the
            value of the data set, of the heads and of the losses.
    """
    heads = list(heads)
    if heads and padding is not None and not all(head.takes(padding) for head in heads):
        raise SampleError(
            f"model.data_preprocessor.seg_pad_val={padding} is no class and not left out: "
            f"{describe_ignored(heads)}. Set seg_pad_val to what the heads leave out."
        )
    for sample in samples:
        outside, ignore_index = sample.get(NOTE) or ([], None)
        wrong = [v for v in outside if not all(head.takes(v) for head in heads)]
        if wrong:
            values = describe_ignored(heads, ignore_index)
            raise SampleError(
                f"{sample.get('seg_map_path', 'a label map')} (or a transform that pads) has the "
                f"label ids {wrong}, which are no classes and not left out: {values}. Give all "
                f"of these the id that the files have. {_CONVERT}"
            )


def leaf_ignore(dataset: Any) -> int:
    """The ``ignore_index`` of a data set; 255 where it has none."""
    return getattr(dataset, "ignore_index", 255)


def _join(values: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(values)))


def _paths(dataset: Any, index: int) -> dict[str, Any]:
    """The files of a sample: ``img_path`` and ``seg_map_path``, where there are."""
    try:
        info = dataset.get_data_info(index)
    except Exception:  # whatever a data set makes of an index, it names no file
        info = None
    found = info if isinstance(info, Mapping) else {}
    return {
        key: found[key]
        for key in ("img_path", "seg_map_path")
        if isinstance(found.get(key), (str, Path))
    }


def _fault(
    index: int, paths: Mapping[str, Any], loading: Loading, everything: bool = False
) -> SampleError | None:
    remote = any("://" in str(path) for path in paths.values())
    if remote and not loading.backend_args:
        return None
    image, label = paths.get("img_path"), paths.get("seg_map_path")
    faults, _ = find_faults(image, label, loading.backend_args, everything, loading.turns)
    for kind, text in faults:
        what, remedy = KINDS[kind]
        return SampleError(f"sample {index}: {text} ({what}). {remedy}. {_REMEDY}")
    return None
