"""VisDA-17, the classification task of ASG."""

from __future__ import annotations

from typing import Any

from mmengine.registry import DATASETS

from .folder_classification import FolderClassificationDataset

VISDA_CLASSES = (
    "aeroplane",
    "bicycle",
    "bus",
    "car",
    "horse",
    "knife",
    "motorcycle",
    "person",
    "plant",
    "skateboard",
    "train",
    "truck",
)


@DATASETS.register_module()
class VisDADataset(FolderClassificationDataset):
    """A domain of VisDA-17 as it is downloaded: class folders and an ``image_list.txt``.

    ``train`` has 152,397 renders of 3D models, ``validation`` 55,388 crops of COCO photographs
    (Section 5 of the ASG paper). Every line of the list and every image is checked when the
    dataset is built.

    Args:
        data_root: Folder of the domain, for example ``data/visda/train``.
        ann_file: Image list, relative to ``data_root``. Defaults to ``image_list.txt``.
        **kwargs: As for :class:`FolderClassificationDataset`.

    Raises:
        FileNotFoundError: If the folder, the list or images are missing, by line number.
        ValueError: If lines of the list are unreadable or contradict their folder.
    """

    METAINFO = {"classes": VISDA_CLASSES}
    download_hint = (
        "download and unpack VisDA-17's classification track (data/README.md), "
        "and set data_root to its 'train' or 'validation' folder"
    )

    def __init__(self, data_root: str, ann_file: str = "image_list.txt", **kwargs: Any) -> None:
        super().__init__(data_root=data_root, ann_file=ann_file, **kwargs)
