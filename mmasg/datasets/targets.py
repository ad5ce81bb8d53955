"""The real target domains, all with Cityscapes' 19 training classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.registry import DATASETS
from mmseg.datasets import MapillaryDataset_v1, MapillaryDataset_v2

from mmasg.errors import wrong

from .checked_dataset import CheckedSegDataset
from .class_maps import CLASSES, IGNORE, mapillary_ids


@DATASETS.register_module()
class Cityscapes19Dataset(CheckedSegDataset):
    """Cityscapes as MMSegmentation's ``CityscapesDataset``, checked when it is built.

    Args:
        img_suffix: Default ``'_leftImg8bit.png'``.
        seg_map_suffix: Default ``'_gtFine_labelTrainIds.png'``, made by
            ``tools/dataset_converters/cityscapes.py``.
        **kwargs: As for :class:`CheckedSegDataset`.
    """

    default_domain = "cityscapes"
    download = "download Cityscapes (data/README.md) into {root}, or set data_root"
    convert = "python tools/dataset_converters/cityscapes.py {root}"
    defaults = dict(img_suffix="_leftImg8bit.png", seg_map_suffix="_gtFine_labelTrainIds.png")


@DATASETS.register_module()
class ACDC19Dataset(CheckedSegDataset):
    """ACDC (fog, night, rain, snow), whose labels come as training ids.

    Expects ``rgb_anon/CONDITION/SPLIT/GOPR.../*_rgb_anon.png`` and
    ``gt/CONDITION/SPLIT/GOPR.../*_gt_labelTrainIds.png``, as downloaded.

    Args:
        conditions: Which of fog, night, rain and snow. Default: all four.
        split: ``'train'`` or ``'val'`` (default; 406 images).
        data_prefix: Default ``dict(img_path='rgb_anon', seg_map_path='gt')``.
        img_suffix: Default ``'_rgb_anon.png'``.
        seg_map_suffix: Default ``'_gt_labelTrainIds.png'``.
        **kwargs: As for :class:`CheckedSegDataset`.

    Raises:
        ValueError: A condition is unknown.
    """

    default_domain = "acdc"
    download = "download ACDC (data/README.md) into {root}, or set data_root"
    known_conditions = ("fog", "night", "rain", "snow")
    defaults = dict(
        data_prefix=dict(img_path="rgb_anon", seg_map_path="gt"),
        img_suffix="_rgb_anon.png",
        seg_map_suffix="_gt_labelTrainIds.png",
    )

    def __init__(
        self,
        conditions: Sequence[str] | None = None,
        split: str = "val",
        **kwargs: Any,
    ) -> None:
        conditions = self.known_conditions if conditions is None else conditions
        unknown = [name for name in conditions if name not in self.known_conditions]
        if isinstance(conditions, str) or unknown or not conditions:
            allowed = f"a list out of {', '.join(self.known_conditions)}"
            raise ValueError(wrong("ACDC19Dataset.conditions", conditions, allowed))
        self.parts = {(condition, split) for condition in conditions}
        super().__init__(split=split, **kwargs)

    def _keep(self, name: str) -> bool:
        return tuple(name.split("/")[:2]) in self.parts


@DATASETS.register_module()
class BDD100K19Dataset(CheckedSegDataset):
    """BDD100K's 10k semantic segmentation set, whose labels come as training ids.

    Args:
        img_suffix: Default ``'.jpg'``.
        seg_map_suffix: Default ``'.png'``.
        **kwargs: As for :class:`CheckedSegDataset`. Some releases lack the labels of a few
            images: ``missing_labels='skip'``.
    """

    default_domain = "bdd100k"
    download = "download BDD100K (data/README.md) into {root}, or set data_root"
    defaults = dict(img_suffix=".jpg", seg_map_suffix=".png")


@DATASETS.register_module()
class Mapillary19Dataset(CheckedSegDataset):
    """Mapillary Vistas, its 66 (v1.2) or 124 (v2.0) classes mapped while labels are read.

    Needs no converter: MMSegmentation's ``LoadAnnotations`` applies the ``label_map`` that every
    sample carries.

    Args:
        version: ``'v1'`` (v1.2, default) or ``'v2'`` (v2.0).
        img_suffix: Default ``'.jpg'``.
        seg_map_suffix: Default ``'.png'``.
        **kwargs: As for :class:`CheckedSegDataset`.

    Raises:
        ValueError: ``version`` is neither.
    """

    default_domain = "mapillary"
    download = "download Mapillary Vistas (data/README.md) into {root}, or set data_root"
    raw_classes = {
        "v1": MapillaryDataset_v1.METAINFO["classes"],
        "v2": MapillaryDataset_v2.METAINFO["classes"],
    }

    defaults = dict(img_suffix=".jpg", seg_map_suffix=".png")

    def __init__(self, version: str = "v1", **kwargs: Any) -> None:
        if version not in self.raw_classes:
            raise ValueError(wrong("Mapillary19Dataset.version", version, "'v1' or 'v2'"))
        self.version = version
        super().__init__(**kwargs)
        # ConcatDataset demands equal meta information of all its parts, and this map is about
        # how files are read; the samples carry it.
        self._metainfo["label_map"] = None

    def get_label_map(  # type: ignore[override]
        self, new_classes: Sequence[str] | None = None
    ) -> dict[int, int]:
        """Maps raw ids to the position of their class in ``new_classes``.

        Args:
            new_classes: The classes in use, a subset of the 19. Default: the 19.

        Returns:
            New id (255: ignored) of every raw id.

        Raises:
            ValueError: ``new_classes`` holds a class that is none of the 19.
        """
        names = list(CLASSES if new_classes is None else new_classes)
        unknown = [name for name in names if name not in CLASSES]
        if unknown:
            raise ValueError(
                f"Mapillary19Dataset: metainfo.classes has {unknown}, which are not among "
                f"Cityscapes' 19 classes {list(CLASSES)}"
            )
        position = {CLASSES.index(name): index for index, name in enumerate(names)}
        table = mapillary_ids(self.raw_classes[self.version])
        return {old: position.get(new, IGNORE) for old, new in table.items()}

    def _update_palette(self) -> list:
        """Colours of the classes in use; the parent would look them up by raw ids."""
        palette = list(self._metainfo["palette"])
        names = self._metainfo["classes"]
        if len(palette) == len(names):
            return palette
        colours = dict(zip(CLASSES, self.METAINFO["palette"], strict=True))
        return [colours[name] for name in names]
