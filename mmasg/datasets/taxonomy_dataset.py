"""Segmentation data sets whose classes a taxonomy names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS
from mmseg.datasets import CityscapesDataset

from mmasg.errors import first_of, wrong
from mmasg.files.json_file import read_json
from mmasg.files.listing import describe_folder

from .checked_dataset import CheckedSegDataset
from .conversion_record import ConversionRecord, read_record, record_path
from .pseudo_labelled import SIDECAR
from .taxonomy import Taxonomy, load_taxonomy

_COLOURS = dict(
    zip(CityscapesDataset.METAINFO["classes"], CityscapesDataset.METAINFO["palette"], strict=True)
)


@DATASETS.register_module()
class TaxonomyDataset(CheckedSegDataset):
    """Frames whose labels were converted by a taxonomy (:mod:`mmasg.datasets.taxonomy`).

    The converters leave a record beside the labels, ``conversion_labelTrainIds.json``, which says
    by which classes and ids they were made. Classes come from there; a ``taxonomy`` that is given
    as well has to agree with it, so that one which changed after the conversion is noticed.

    Expects ``images/NAME.png`` and ``labels/NAME_labelTrainIds.png`` below ``data_root``, as the
    converters in ``tools/dataset_converters`` write them (``carla.py``, ``camvid.py``;
    ``custom.py --taxonomy`` writes labels alone: give ``data_prefix`` and ``img_suffix``). Pseudo
    labels say their classes themselves; frames alone (``data_prefix=dict(img_path=...)`` with
    ``test_mode=True``) have those of ``taxonomy``.

    Args:
        taxonomy: The taxonomy's file. Default: the record's classes, unchecked.
        **kwargs: As for :class:`CheckedSegDataset`, but ``metainfo``; with other defaults:
            ``data_prefix=dict(img_path='images', seg_map_path='labels')``, ``img_suffix`` as the
            record says (or ``'.png'``), ``seg_map_suffix='_labelTrainIds.png'``.

    Raises:
        FileNotFoundError: The labels have no record (they were not converted); or see
            :class:`CheckedSegDataset`.
        ValueError: The labels were converted by another taxonomy; or ``metainfo`` is given.
    """

    METAINFO: dict = {}
    defaults = dict(
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        img_suffix=".png",
        seg_map_suffix="_labelTrainIds.png",
    )
    convert = (
        "python tools/dataset_converters/custom.py LABELS --taxonomy FILE --dataset NAME "
        "--out-dir {root}/labels"
    )

    def __init__(self, taxonomy: str | Path | None = None, **kwargs: Any) -> None:
        if kwargs.pop("metainfo", None):
            raise ValueError(
                f"{type(self).__name__}: metainfo cannot be given, the taxonomy names the "
                "classes. Leave it out, or change the taxonomy and convert again"
            )
        self.data_root = kwargs.get("data_root")
        wanted = None if taxonomy is None else load_taxonomy(taxonomy)
        prefix = kwargs.get("data_prefix", self.defaults["data_prefix"])
        suffix = kwargs.get("seg_map_suffix", self.defaults["seg_map_suffix"])
        labels = prefix.get("seg_map_path")
        record = self._record(labels, suffix)
        own = None if labels is None else self._pseudo_labels(labels)
        if own is not None:
            # A model wrote these labels, of its own classes; no converter did.
            classes = tuple(own["classes"])
            if wanted is not None and classes != wanted.classes:
                difference = f"{first_of(classes)} there, {first_of(wanted.classes)} here"
                raise ValueError(
                    f"{type(self).__name__}.taxonomy: the pseudo labels in {labels} are of other "
                    f"classes ({difference}). Make them anew by tools/pseudo_labels.py"
                )
            kwargs.setdefault("img_suffix", own["img_suffix"])
        elif record is not None:
            classes = record.classes
            if wanted is not None:
                self._compare(record, wanted)
            if record.img_suffix is not None:
                kwargs.setdefault("img_suffix", record.img_suffix)
        elif wanted is not None and labels is None and kwargs.get("test_mode"):
            classes = wanted.classes  # frames alone: there is nothing that was converted
        elif wanted is None or (kwargs.get("check_files", True) and not kwargs.get("backend_args")):
            root = Path(self.data_root or ".").absolute()
            self._fail(
                f"no {record_path(root, suffix).name} beside the labels in {root}, so they were "
                "not converted, or not by a taxonomy",
                found=describe_folder(root),
                remedy=self.convert or self.download,
            )
        else:
            classes = wanted.classes
        super().__init__(metainfo=dict(classes=classes, palette=palette(classes)), **kwargs)

    def _record(self, prefix: str | None, suffix: str) -> ConversionRecord | None:
        """The record beside the labels, or in a folder above them up to ``data_root``."""
        root = Path(self.data_root or ".")
        folder = root / (prefix or "labels")
        for place in (folder, *folder.parents):
            record = read_record(place, suffix)
            if record is not None or place == root:
                return record
        return None

    def _pseudo_labels(self, prefix: str) -> dict[str, Any] | None:
        """The account of labels that tools/pseudo_labels.py wrote, where it did."""
        file = Path(self.data_root or ".") / prefix / SIDECAR
        return read_json(file, SIDECAR, "tools/pseudo_labels.py") if file.is_file() else None

    def _compare(self, record: ConversionRecord, taxonomy: Taxonomy) -> None:
        difference = record.differs(taxonomy)
        if difference:
            command = (self.convert or "").replace("{root}", str(self.data_root or "data"))
            raise ValueError(
                wrong(
                    f"{type(self).__name__}.taxonomy",
                    str(taxonomy.path),
                    f"the taxonomy by which the labels were converted ({difference})",
                    f"Convert again with --overwrite: {command}",
                )
            )


def palette(classes: tuple[str, ...]) -> list[list[int]]:
    """Colours for pictures: those of Cityscapes where it has the class.

    Args:
        classes: The classes' names.

    Returns:
        [red, green, blue] a class; the same for the same names.
    """
    free = np.random.default_rng(0).integers(60, 256, (len(classes), 3)).tolist()
    return [list(_COLOURS.get(name, free[index])) for index, name in enumerate(classes)]


@DATASETS.register_module()
class CarlaDataset(TaxonomyDataset):
    """Frames of the CARLA simulator, converted by ``tools/dataset_converters/carla.py``.

    Args:
        **kwargs: As for :class:`TaxonomyDataset`.
    """

    default_domain = "carla"
    download = "record or download CARLA frames (data/README.md)"
    convert = "python tools/dataset_converters/carla.py IN {root}"


@DATASETS.register_module()
class CamVidDataset(TaxonomyDataset):
    """CamVid's driving video, converted by ``tools/dataset_converters/camvid.py``.

    Args:
        **kwargs: As for :class:`TaxonomyDataset`.
    """

    default_domain = "camvid"
    download = "download CamVid (data/README.md)"
    convert = "python tools/dataset_converters/camvid.py IN {root}"
