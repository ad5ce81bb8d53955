"""Samples of the target that carry pseudo labels, told apart from the source's, and soft labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from mmengine.structures import BaseDataElement, PixelData

#: The account of a folder of pseudo labels, in that folder.
SIDECAR = "pseudo_labels.json"
#: How the two pictures of a sample's soft labels end: the ids of three classes, their weights.
SOFT_SUFFIXES = (".classes.png", ".weights.png")
_MARK = "pseudo_labelled"
_FIELDS = ("soft_classes", "soft_weights")


def is_pseudo_labelled(sample: BaseDataElement) -> bool:
    """Whether a sample is of the target and its labels a model's own."""
    return bool(sample.metainfo.get(_MARK, False))


def source_samples(data_batch: Any) -> list[int] | None:
    """Where in a batch the source's samples are; None where all are the source's.

    A batch of pseudo-labelled samples alone gives None too: then they are all there is to learn
    from.
    """
    samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
    if not isinstance(samples, (list, tuple)):
        return None
    own = [
        index
        for index, sample in enumerate(samples)
        if not (hasattr(sample, "metainfo") and is_pseudo_labelled(sample))
    ]
    return own if 0 < len(own) < len(samples) else None


@TRANSFORMS.register_module()
class LoadSoftLabels(BaseTransform):
    """Load the soft pseudo labels of a sample (CRST's label regularisation).

    Adds ``soft_classes`` and ``soft_weights``, (H, W, 3) uint8: the classes that a pixel may be,
    and their weights, 255 together. Transforms of label maps change them alike. For an image with
    one label H and W are 1, and nothing is changed.

    Args:
        folder: Folder of the soft labels.
        root: Folder that the samples' files are below: of the hard labels, or (``of='img_path'``)
            of the images.
        of: ``'seg_map_path'`` (default) or ``'img_path'``.

    Raises:
        FileNotFoundError: There are none of this sample.
    """

    def __init__(self, folder: str, root: str, of: str = "seg_map_path") -> None:
        self.folder, self.root, self.of = folder, root, of

    def transform(self, results: dict) -> dict:
        """Load."""
        name = Path(os.path.relpath(results[self.of], self.root)).with_suffix("")
        for field, suffix in zip(_FIELDS, SOFT_SUFFIXES, strict=True):
            file = Path(self.folder) / f"{name}{suffix}"
            values = cv2.imread(str(file), cv2.IMREAD_COLOR) if file.is_file() else None
            if values is None:
                raise FileNotFoundError(
                    f"LoadSoftLabels.folder: there is no sound {file}. Make the labels anew by "
                    "tools/pseudo_labels.py --soft"
                )
            results[field] = values
            if self.of == "seg_map_path":
                results.setdefault("seg_fields", []).append(field)
        return results


@TRANSFORMS.register_module()
class PackPseudoLabels(BaseTransform):
    """Pack a sample as another transform does, marked as pseudo-labelled, soft labels included.

    Args:
        pack: Config of that transform, the pipeline's last: ``PackSegInputs``, ...
    """

    def __init__(self, pack: dict) -> None:
        self.pack = TRANSFORMS.build(pack)

    @property
    def meta_keys(self) -> Any:
        """What of the meta information the other transform keeps."""
        return getattr(self.pack, "meta_keys", None)

    @meta_keys.setter
    def meta_keys(self, keys: Any) -> None:
        self.pack.meta_keys = keys

    def transform(self, results: dict) -> dict:
        """Pack."""
        packed = self.pack(results)
        sample = packed["data_samples"]
        sample.set_metainfo({_MARK: True})
        if _FIELDS[0] in results:
            classes, weights = (torch.from_numpy(_planes(results[name])) for name in _FIELDS)
            sample.soft_labels = PixelData(classes=classes, weights=weights)
        return packed


def _planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(2, 0, 1))
