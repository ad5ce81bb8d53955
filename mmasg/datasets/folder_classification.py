"""Image classification from class folders or image lists."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from mmasg.files.listing import IMAGE_SUFFIXES, list_files

from .class_folders import explain_difference, read_classes
from .held_out import check_held_out, held_out_names
from .image_list import classes_of_list, read_image_list


@DATASETS.register_module()
class FolderClassificationDataset(BaseDataset):
    """One domain of a classification task: a folder per class, or a list of images.

    Reads ``data_root/<class>/**/*.jpg`` (Office-Home, PACS, any ``domain/class`` or
    ``domain/split/class`` layout; set ``data_root`` or ``data_prefix`` to the folder that holds
    the classes), or, with ``ann_file``, lines ``relative/path.jpg class_index`` (VisDA,
    DomainNet). All of it is checked when the dataset is built, and the number of images per
    class goes to the log.

    Two domains must have the same classes in the same order. Give both datasets
    ``metainfo=dict(classes=...)``: the one whose folders differ from it says how.

    Args:
        data_root: Root folder of the domain.
        ann_file: Image list, relative to ``data_root``. Defaults to '': class folders.
        data_prefix: ``img_path`` is the folder that holds the class folders or that the list's
            paths are relative to, relative to ``data_root``. Defaults to ``dict(img_path='')``.
        metainfo: ``classes``, the class names in label order. Defaults to None: the sorted
            folder names, or the folders that the list mentions.
        suffixes: File name endings of images. Defaults to the usual seven.
        check_images: Whether every image of a list must exist. Defaults to True.
        check_folders: Whether an image that a list names must have the class that its folder is
            called like, where it is called like one. Pseudo labels need not. Defaults to True.
        part: ``'train'`` or ``'held_out'``: of every class a keyed share of the images is held
            out (to validate on the source), the rest is to train on. Defaults to None: all images.
        held_out: The share. Defaults to 0.1.
        held_out_seed: Another seed holds out other images. Defaults to 0.
        **kwargs: As for mmengine's ``BaseDataset``: ``pipeline``, ``indices``, ``test_mode``, ...

    Raises:
        FileNotFoundError: If the root, the list or images are missing.
        ValueError: If the classes differ from ``metainfo``, a class has no images, the list
            has unreadable lines, or ``part`` or ``held_out`` are something else.
    """

    download_hint = "set data_root to the folder that holds the class folders"

    def __init__(
        self,
        data_root: str,
        ann_file: str = "",
        data_prefix: Mapping[str, str] | None = None,
        metainfo: Mapping[str, Any] | None = None,
        suffixes: Sequence[str] = IMAGE_SUFFIXES,
        check_images: bool = True,
        check_folders: bool = True,
        part: str | None = None,
        held_out: float = 0.1,
        held_out_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        check_held_out(part, held_out, type(self).__name__)
        self.part = part
        self.held_out = held_out
        self.held_out_seed = held_out_seed
        self.suffixes = tuple(suffix.lower() for suffix in suffixes)
        self.check_images = check_images
        self.check_folders = check_folders
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=dict(data_prefix or {"img_path": ""}),
            metainfo=metainfo,
            **kwargs,
        )

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return list(self._metainfo.get("classes") or ())

    def load_data_list(self) -> list[dict]:
        """Read the domain.

        Returns:
            One dict per image: ``img_path`` and ``gt_label``.
        """
        root = self.data_prefix["img_path"]
        if not os.path.isdir(root):
            raise FileNotFoundError(
                f"{type(self).__name__}: no folder {os.path.abspath(root)}; {self.download_hint}"
            )
        data = self._from_list(root) if self.ann_file else self._from_folders(root)
        self._metainfo["classes"] = tuple(self.classes)
        if self.part is not None:
            data = self._part(data, root)
        self._log_counts(data, root)
        return data

    def _part(self, data: list[dict], root: str) -> list[dict]:
        """Keep the images of the part asked for, class by class."""
        out: set[str] = set()
        names = [os.path.relpath(s["img_path"], root).replace(os.sep, "/") for s in data]
        for label in range(len(self.classes)):
            of_class = [n for n, s in zip(names, data, strict=True) if s["gt_label"] == label]
            out |= held_out_names(of_class, self.held_out, self.held_out_seed)
        wanted = self.part == "held_out"
        return [s for n, s in zip(names, data, strict=True) if (n in out) == wanted]

    def _from_list(self, root: str) -> list[dict]:
        """Read the images that the list names."""
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(
                f"{type(self).__name__}: no image list {os.path.abspath(self.ann_file)}; "
                f"{self.download_hint}"
            )
        classes = self.classes or None
        images = read_image_list(
            self.ann_file, root, classes, self.check_images, self.check_folders
        )
        if classes is None:
            self._metainfo["classes"] = classes_of_list(images)
        return [
            {"img_path": os.path.join(root, image.path), "gt_label": image.label}
            for image in images
        ]

    def _from_folders(self, root: str) -> list[dict]:
        """Read the images in the class folders."""
        found = read_classes(root)
        classes = self.classes or found
        if not found:
            raise ValueError(
                f"{type(self).__name__}: no class folders in {os.path.abspath(root)}; "
                f"{self.download_hint}"
            )
        difference = explain_difference(classes, found)
        if difference:
            raise ValueError(
                f"{type(self).__name__}: the class folders in {os.path.abspath(root)} are not the "
                f"classes in metainfo ({difference}). All domains of a task need the same folders; "
                "rename or remove those that differ"
            )
        self._metainfo["classes"] = classes
        data = []
        for label, name in enumerate(classes):
            images = list_files(os.path.join(root, name), self.suffixes)
            if not images:
                raise ValueError(
                    f"{type(self).__name__}: no images ({' '.join(self.suffixes)}) in "
                    f"{os.path.abspath(os.path.join(root, name))}"
                )
            data += [
                {"img_path": os.path.join(root, name, image), "gt_label": label} for image in images
            ]
        return data

    def _log_counts(self, data: Sequence[dict], root: str) -> None:
        """Write the number of images per class to the log."""
        counts = Counter(sample["gt_label"] for sample in data)
        table = ", ".join(f"{name} {counts[i]}" for i, name in enumerate(self.classes))
        print_log(
            f"{type(self).__name__}: {len(data)} images of {len(self.classes)} classes in {root}: "
            f"{table}",
            logger="current",
        )

    def get_cat_ids(self, idx: int) -> list[int]:
        """Tell the class of a sample; mmengine's ``ClassBalancedDataset`` asks for it.

        Args:
            idx: Position of the sample.

        Returns:
            The class index as the only element.
        """
        return [int(self.get_data_info(idx)["gt_label"])]
