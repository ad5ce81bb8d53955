"""SYNTHIA-RAND-CITYSCAPES as a source domain."""

from __future__ import annotations

from mmengine.registry import DATASETS

from .checked_dataset import CheckedSegDataset


@DATASETS.register_module()
class SYNTHIADataset(CheckedSegDataset):
    """SYNTHIA-RAND-CITYSCAPES's 9,400 frames; 16 of Cityscapes' 19 classes occur.

    Class ids are those of the 19 (terrain, truck and train stay empty), so one network and one
    set of targets serve both sources; ``MultiTargetIoUMetric`` averages over the 16 or the 13
    that papers report. Expects ``RGB/0000000.png`` and ``GT/LABELS/0000000_labelTrainIds.png``,
    the latter made by ``tools/dataset_converters/synthia.py``.

    Args:
        ann_file: Text list of frames, or ``''`` for all. Default ``''``.
        data_prefix: Default ``dict(img_path='RGB', seg_map_path='GT/LABELS')``.
        img_suffix: Default ``'.png'``.
        seg_map_suffix: Default ``'_labelTrainIds.png'``.
        **kwargs: As for :class:`CheckedSegDataset`.
    """

    default_domain = "synthia"
    download = "download SYNTHIA-RAND-CITYSCAPES (data/README.md) into {root}, or set data_root"
    convert = "python tools/dataset_converters/synthia.py {root}"
    defaults = dict(
        data_prefix=dict(img_path="RGB", seg_map_path="GT/LABELS"),
        img_suffix=".png",
        seg_map_suffix="_labelTrainIds.png",
    )
