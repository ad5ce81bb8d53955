"""GTA5 (Playing for Data), the synthetic source domain."""

from __future__ import annotations

from typing import Any

from mmengine.registry import DATASETS

from .checked_dataset import CheckedSegDataset


@DATASETS.register_module()
class GTA5Dataset(CheckedSegDataset):
    """GTA5's 24,966 frames with the 19 training classes of Cityscapes.

    Expects ``images/00001.png`` and ``labels/00001_labelTrainIds.png`` below ``data_root``; the
    latter are made from the downloaded palette images by
    ``tools/dataset_converters/gta.py``.

    Args:
        ann_file: The frames to use: a text list with a frame a line (``00001``), the official
            ``split.mat`` (then with ``split``), or ``''`` for all frames. Default ``''``.
        data_prefix: Default ``dict(img_path='images', seg_map_path='labels')``.
        img_suffix: Default ``'.png'``.
        seg_map_suffix: Default ``'_labelTrainIds.png'``.
        **kwargs: As for :class:`CheckedSegDataset`.
    """

    default_domain = "gta5"
    download = "download GTA5 (data/README.md) into {root}, or set data_root"
    convert = "python tools/dataset_converters/gta.py {root}"

    def __init__(
        self,
        ann_file: str = "",
        data_prefix: dict | None = None,
        img_suffix: str = ".png",
        seg_map_suffix: str = "_labelTrainIds.png",
        **kwargs: Any,
    ) -> None:
        if data_prefix is None:
            data_prefix = dict(img_path="images", seg_map_path="labels")
        super().__init__(
            ann_file=ann_file,
            data_prefix=data_prefix,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )
