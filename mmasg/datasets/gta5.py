"""GTA5 (Playing for Data), the synthetic source domain."""

from __future__ import annotations

import os

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
    defaults = dict(
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        img_suffix=".png",
        seg_map_suffix="_labelTrainIds.png",
    )

    def _list_remedy(self) -> str:
        if os.path.isfile(os.path.join(self.data_root or "", "split.mat")):
            return self.convert
        return (
            "put the official split.mat (data/README.md) into {root} and run "
            f"{self.convert}, which writes the lists from it; or set ann_file='' to take every "
            "frame"
        )
