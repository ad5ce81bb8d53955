"""Segmentation datasets that notice missing data when they are built.

MMSegmentation's datasets build their list from whatever is on disk: an empty folder gives an
empty dataset, a label that was never converted an exception in a worker process hours later.
"""

from __future__ import annotations

import copy
import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset, CityscapesDataset

from mmasg.errors import first_of, wrong
from mmasg.files.listing import describe_folder, list_files

from .class_maps import ids_by_name
from .split_files import read_split

MINIATURE_COMMAND = "python tools/dataset_converters/miniature.py (makes the miniature data)"


class CheckedSegDataset(BaseSegDataset):
    """A ``BaseSegDataset`` that is complete or is not built, and whose samples know their domain.

    Subclasses set ``download`` and ``convert``, the two remedies that the errors name, and in
    ``defaults`` what of the arguments below is another default there.

    Args:
        domain: Name of the data set that every sample carries in its meta information under
            ``domain``; ``PackSegInputs`` is made to pack it. Default: the class's own.
        split: ``'train'``, ``'val'`` or ``'test'``, needed only where ``ann_file`` is GTA5's
            ``split.mat``, which holds all three.
        missing_labels: ``'error'`` (default) or ``'skip'``, which leaves out images that have no
            label, with a warning.
        check_files: Look for every file at build time (default). Always off with
            ``backend_args``, because a remote store may not list files cheaply.
        **kwargs: As for MMSegmentation's ``BaseSegDataset``.

    Raises:
        FileNotFoundError: A folder, the split file, images or labels are missing. The message
            names the path looked for, what was found, and the remedy.
        ValueError: The split file is empty or wrong, or an argument is unknown.
    """

    METAINFO: dict = CityscapesDataset.METAINFO
    defaults: dict = {}
    default_domain = "custom"
    download = "see data/README.md for where the data comes from"
    convert: str | None = None

    def __init__(
        self,
        domain: str | None = None,
        split: str | None = None,
        missing_labels: str = "error",
        check_files: bool = True,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if missing_labels not in ("error", "skip"):
            raise ValueError(wrong(f"{name}.missing_labels", missing_labels, "'error' or 'skip'"))
        if domain is not None and (not isinstance(domain, str) or not domain):
            raise ValueError(wrong(f"{name}.domain", domain, "a name such as 'cityscapes'"))
        self.domain = self.default_domain if domain is None else domain
        self.split = split
        self.missing_labels = missing_labels
        self.check_files = check_files
        super().__init__(**{**copy.deepcopy(self.defaults), **kwargs})
        _pack_domain(self.pipeline)
        by_name = ids_by_name(self)
        if by_name:
            moved = [
                f"{old} ({cls}) becomes {by_name[1][old]}" for old, cls in enumerate(by_name[0])
            ]
            self._warn(
                "metainfo.classes are a part of the registered ones, so ids in the label files are "
                f"mapped by name: {first_of(moved, 19)}"
            )

    def load_data_list(self) -> list[dict]:
        """Lists the samples, after every check.

        Returns:
            One dict a sample: ``img_path``, ``seg_map_path`` (where there are labels),
            ``label_map``, ``reduce_zero_label``, ``seg_fields``, ``domain``.
        """
        if self.backend_args:
            samples = [s for s in super().load_data_list() if self._keep(self._name(s))]
            return self._of_domain(samples)
        if not self.check_files:
            return self._of_domain(self._listed(self._unchecked_names()))
        img_dir = self._folder("img_path")
        images = self._images(img_dir)
        names = self._names(images, img_dir)
        samples = self._listed(names)
        if self.data_prefix.get("seg_map_path") is not None:
            samples = self._with_labels(samples, names)
        elif not self.test_mode:
            raise ValueError(
                f"{type(self).__name__}: data_prefix has no 'seg_map_path', which only "
                "test_mode=True can do without"
            )
        return self._of_domain(samples)

    def _of_domain(self, samples: list[dict]) -> list[dict]:
        return [dict(sample, domain=self.domain) for sample in samples]

    def _images(self, folder: str) -> set[str]:
        """The images below a folder; those of another ending are no images, and are said."""
        alike = list_files(folder, [self.img_suffix])
        images = {name for name in alike if name.endswith(self.img_suffix)}
        if not images:
            others = list_files(folder)
            endings = Counter(os.path.splitext(name)[1] for name in others).most_common(1)
            self._fail(
                f"no images '*{self.img_suffix}' in {folder}",
                found=f"{len(others)} images of other endings, such as {others[0]}"
                if others
                else describe_folder(folder),
                remedy=f"set img_suffix={endings[0][0]!r}" if endings else self.download,
            )
        if len(images) < len(alike):
            left = [name for name in alike if name not in images]
            self._warn(f"{len(left)} images do not end in {self.img_suffix!r} (img_suffix): "
                       f"{first_of(left, 5)}; left out")  # fmt: skip
        return images

    def _unchecked_names(self) -> list[str]:
        if self._has_split():
            return self._split_names()
        found = list_files(self.data_prefix.get("img_path") or "", [self.img_suffix], False)
        names = (path.removesuffix(self.img_suffix) for path in found)
        return [name for name in names if self._keep(name)]

    def _has_split(self) -> bool:
        return bool(self.ann_file) and not os.path.isdir(self.ann_file)

    def _split_names(self) -> list[str]:
        suffixes = (self.img_suffix, self.seg_map_suffix)
        try:
            return read_split(self.ann_file, self.split, suffixes)
        except FileNotFoundError:
            self._fail(
                f"no split file {os.path.abspath(self.ann_file)} (ann_file)",
                found=describe_folder(Path(self.ann_file).parent),
                remedy=self._list_remedy(),
            )
        except ValueError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from error
        raise AssertionError("unreachable")

    def _list_remedy(self) -> str:
        """Where a missing split list comes from; for subclasses whose converter writes some."""
        return "write it, a frame a line, or set ann_file='' to take every frame"

    def _names(self, images: set[str], img_dir: str) -> list[str]:
        """Names of the frames, from the split file or from what is in the folder."""
        cut = len(self.img_suffix)
        if not self._has_split():
            names = sorted(name for name in (image[:-cut] for image in images) if self._keep(name))
            if not names:
                self._fail(
                    f"none of the {len(images)} images in {img_dir} is in the part asked for",
                    found=first_of(sorted(images), 5),
                    remedy=self.download,
                )
            return names
        names = self._split_names()
        lost = self._lost(names, images, img_dir, self.img_suffix)
        if lost:
            self._fail(
                f"{len(lost)} of the {len(names)} images that {self.ann_file} lists are not in "
                f"{img_dir}: {first_of([name + self.img_suffix for name in lost], 5)}",
                found=f"{len(images)} images '*{self.img_suffix}' there",
                remedy=self.download,
            )
        return names

    @staticmethod
    def _lost(names: list[str], there: set[str], folder: str, suffix: str) -> list[str]:
        """Names without a file; a folder that a second link names is listed under the first."""
        lost = [name for name in names if name + suffix not in there]
        return [name for name in lost if not os.path.isfile(os.path.join(folder, name + suffix))]

    def _keep(self, name: str) -> bool:
        """Whether a frame found in the folder belongs to the data set; for subclasses.

        Args:
            name: Path below the image folder, without the suffix.
        """
        return True

    def _name(self, sample: dict) -> str:
        path = os.path.relpath(sample["img_path"], self.data_prefix.get("img_path") or ".")
        return path.replace(os.sep, "/").removesuffix(self.img_suffix)

    def _listed(self, names: list[str]) -> list[dict]:
        img_dir = self.data_prefix.get("img_path") or ""
        ann_dir = self.data_prefix.get("seg_map_path")
        samples = []
        for name in names:
            sample: dict[str, Any] = dict(img_path=os.path.join(img_dir, name + self.img_suffix))
            if ann_dir is not None:
                sample["seg_map_path"] = os.path.join(ann_dir, name + self.seg_map_suffix)
            sample.update(
                label_map=self.label_map, reduce_zero_label=self.reduce_zero_label, seg_fields=[]
            )
            samples.append(sample)
        return samples

    def _with_labels(self, samples: list[dict], names: list[str]) -> list[dict]:
        """Checks that every sample has its label; drops or reports those that do not."""
        ann_dir = self._folder("seg_map_path")
        labels = set(list_files(ann_dir, [self.seg_map_suffix], any_case=False))
        remedy = self.convert or self.download
        if not labels:
            self._fail(
                f"no labels '*{self.seg_map_suffix}' in {ann_dir}",
                found=self._describe_labels(ann_dir),
                remedy=remedy,
            )
        lost = self._lost(names, labels, ann_dir, self.seg_map_suffix)
        if not lost:
            return samples
        text = (
            f"{len(lost)} of {len(names)} images have no label '*{self.seg_map_suffix}' in "
            f"{ann_dir}: {first_of([name + self.seg_map_suffix for name in lost], 5)}"
        )
        if self.missing_labels == "error" or len(lost) == len(names):
            self._fail(
                text,
                found=f"{len(labels)} labels there",
                remedy=f"{remedy}; or leave those images out with missing_labels='skip'",
            )
        self._warn(f"{text}; left out (missing_labels='skip')")
        gone = set(lost)
        return [sample for name, sample in zip(names, samples, strict=True) if name not in gone]

    def _warn(self, text: str) -> None:
        print_log(f"{type(self).__name__}: {text}", logger="current", level=logging.WARNING)

    def _folder(self, key: str) -> str:
        folder = self.data_prefix.get(key)
        if not folder or not os.path.isdir(folder):
            self._fail(
                f"no folder {os.path.abspath(folder) if folder else repr(folder)} "
                f"(data_prefix.{key}, data_root={self.data_root!r})",
                found=describe_folder(folder or self.data_root or "."),
                remedy=self.download,
            )
        return str(folder)

    def _describe_labels(self, folder: str) -> str:
        """What lies where converted labels should: unconverted ones, usually."""
        raw = len(list_files(folder, [".png"]))
        if raw and self.seg_map_suffix != ".png":
            return f"{raw} raw label files but no *{self.seg_map_suffix}"
        return describe_folder(folder)

    def _fail(self, what: str, found: str, remedy: str) -> None:
        root = str(self.data_root or "data").rstrip("/")
        if "miniature" in Path(root).parts and remedy.startswith(self.download):
            remedy = MINIATURE_COMMAND
        raise FileNotFoundError(
            f"{type(self).__name__}: {what}. Found: {found}. "
            f"Remedy: {remedy.replace('{root}', root)}"
        )


def _pack_domain(pipeline: Any) -> None:
    """Adds ``domain`` to what every ``PackSegInputs`` of a pipeline packs.

    Nested pipelines (``TestTimeAug``) included: a metric that needs the domain must not depend
    on whether a config repeated ``meta_keys`` by hand.
    """
    for attribute in ("transforms", "subroutines"):
        for step in getattr(pipeline, attribute, None) or ():
            _pack_domain(step)
    keys = getattr(pipeline, "meta_keys", None)
    if isinstance(keys, (tuple, list)) and "domain" not in keys:
        pipeline.meta_keys = (*keys, "domain")
