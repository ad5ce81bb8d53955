"""Segmentation datasets that notice missing data when they are built.

MMSegmentation's datasets build their list from whatever is on disk: an empty folder gives an
empty dataset, a label that was never converted an exception in a worker process hours later.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset, CityscapesDataset

from .split_files import read_split

MINIATURE_COMMAND = "python tools/dataset_converters/miniature.py (makes the miniature data)"


class CheckedSegDataset(BaseSegDataset):
    """A ``BaseSegDataset`` that is complete or is not built, and whose samples know their domain.

    Subclasses set ``download`` and ``convert``, the two remedies that the errors name.

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
        if missing_labels not in ("error", "skip"):
            raise ValueError(
                f"{type(self).__name__}: missing_labels must be 'error' or 'skip', "
                f"not {missing_labels!r}"
            )
        if domain is not None and (not isinstance(domain, str) or not domain):
            raise ValueError(
                f"{type(self).__name__}: domain must be a name such as 'cityscapes', not {domain!r}"
            )
        self.domain = self.default_domain if domain is None else domain
        self.split = split
        self.missing_labels = missing_labels
        self.check_files = check_files
        super().__init__(**kwargs)
        _pack_domain(self.pipeline)

    def load_data_list(self) -> list[dict]:
        """Lists the samples, after every check.

        Returns:
            One dict a sample: ``img_path``, ``seg_map_path`` (where there are labels),
            ``label_map``, ``reduce_zero_label``, ``seg_fields``, ``domain``.
        """
        if self.backend_args or not self.check_files:
            if self._has_split() and not self.backend_args:
                samples = self._listed(self._split_names())
            else:
                samples = [s for s in super().load_data_list() if self._keep(self._name(s))]
            return [dict(sample, domain=self.domain) for sample in samples]
        img_dir = self._folder("img_path")
        images = _files(img_dir, self.img_suffix)
        if not images:
            self._fail(
                f"no images '*{self.img_suffix}' in {img_dir}",
                found=_describe(img_dir),
                remedy=self.download,
            )
        names = self._names(images, img_dir)
        samples = self._listed(names)
        if self.data_prefix.get("seg_map_path") is not None:
            samples = self._with_labels(samples, names)
        elif not self.test_mode:
            raise ValueError(
                f"{type(self).__name__}: data_prefix has no 'seg_map_path', which only "
                "test_mode=True can do without"
            )
        return [dict(sample, domain=self.domain) for sample in samples]

    def _has_split(self) -> bool:
        return bool(self.ann_file) and not os.path.isdir(self.ann_file)

    def _split_names(self) -> list[str]:
        suffixes = (self.img_suffix, self.seg_map_suffix)
        try:
            return read_split(self.ann_file, self.split, suffixes)
        except FileNotFoundError:
            folder = Path(self.ann_file).parent
            self._fail(
                f"no split file {os.path.abspath(self.ann_file)} (ann_file)",
                found=_describe(folder),
                remedy=self.convert or self.download,
            )
        except ValueError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from error
        raise AssertionError("unreachable")

    def _names(self, images: set[str], img_dir: str) -> list[str]:
        """Names of the frames, from the split file or from what is in the folder."""
        cut = len(self.img_suffix)
        if not self._has_split():
            names = sorted(name for name in (image[:-cut] for image in images) if self._keep(name))
            if not names:
                self._fail(
                    f"none of the {len(images)} images in {img_dir} is in the part asked for",
                    found=_first(sorted(images)),
                    remedy=self.download,
                )
            return names
        names = self._split_names()
        lost = [name for name in names if name + self.img_suffix not in images]
        if lost:
            self._fail(
                f"{len(lost)} of the {len(names)} images that {self.ann_file} lists are not in "
                f"{img_dir}: {_first(name + self.img_suffix for name in lost)}",
                found=f"{len(images)} images '*{self.img_suffix}' there",
                remedy=self.download,
            )
        return names

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
        labels = _files(ann_dir, self.seg_map_suffix)
        remedy = self.convert or self.download
        if not labels:
            self._fail(
                f"no labels '*{self.seg_map_suffix}' in {ann_dir}",
                found=self._describe_labels(ann_dir),
                remedy=remedy,
            )
        have = [name + self.seg_map_suffix in labels for name in names]
        lost = [name for name, there in zip(names, have, strict=True) if not there]
        if not lost:
            return samples
        text = (
            f"{len(lost)} of {len(names)} images have no label '*{self.seg_map_suffix}' in "
            f"{ann_dir}: {_first(name + self.seg_map_suffix for name in lost)}"
        )
        if self.missing_labels == "error" or len(lost) == len(names):
            self._fail(
                text,
                found=f"{len(labels)} labels there",
                remedy=f"{remedy}; or leave those images out with missing_labels='skip'",
            )
        print_log(
            f"{type(self).__name__}: {text}; left out (missing_labels='skip')",
            logger="current",
            level=logging.WARNING,
        )
        return [sample for sample, there in zip(samples, have, strict=True) if there]

    def _folder(self, key: str) -> str:
        folder = self.data_prefix.get(key)
        if not folder or not os.path.isdir(folder):
            parent = _existing_parent(folder or self.data_root or ".")
            self._fail(
                f"no folder {os.path.abspath(folder) if folder else repr(folder)} "
                f"(data_prefix.{key}, data_root={self.data_root!r})",
                found=_describe(parent),
                remedy=self.download,
            )
        return str(folder)

    def _describe_labels(self, folder: str) -> str:
        """What lies where converted labels should: unconverted ones, usually."""
        raw = len(_files(folder, ".png"))
        if raw and self.seg_map_suffix != ".png":
            return f"{raw} raw label files but no *{self.seg_map_suffix}"
        return _describe(folder)

    def _fail(self, what: str, found: str, remedy: str) -> None:
        root = str(self.data_root or "data").rstrip("/")
        if "miniature" in Path(root).parts and remedy.startswith(self.download):
            remedy = MINIATURE_COMMAND
        raise FileNotFoundError(
            f"{type(self).__name__}: {what}. Found: {found}. "
            f"Remedy: {remedy.replace('{root}', root)}"
        )


def _files(folder: str | Path, suffix: str) -> set[str]:
    """Paths relative to ``folder`` of the files below it that end in ``suffix``."""
    found = set()
    folder = str(folder)
    for parent, _, files in os.walk(folder, followlinks=True):
        prefix = os.path.relpath(parent, folder)
        for file in files:
            if file.endswith(suffix) and not file.startswith("."):
                found.add(file if prefix == "." else f"{prefix}/{file}".replace(os.sep, "/"))
    return found


def _existing_parent(path: str | Path) -> Path:
    path = Path(path).absolute()
    while not path.is_dir():
        path = path.parent
    return path


def _describe(folder: str | Path) -> str:
    """A few words on what a folder holds, for error messages."""
    folder = Path(folder)
    if not folder.is_dir():
        return f"no folder {folder.absolute()} either"
    names = sorted(
        entry.name + ("/" if entry.is_dir() else "")
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
    )
    if not names:
        return f"{folder.absolute()} is empty"
    return f"{folder.absolute()} holds {_first(names)}"


def _first(names: Iterable[str], count: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


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
