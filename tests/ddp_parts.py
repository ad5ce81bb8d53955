"""What ``ddp_configs.py`` puts in the place of data, in every process."""

import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmasg.datasets.classification_sample import ClassificationSample


@DATASETS.register_module(force=True)
class NoiseDataset(BaseDataset):
    """Noise with noise for labels, ready for the model."""

    def __init__(self, length, classes, labels, **kwargs):
        self.length, self.classes, self.labels = length, classes, labels
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(index=i) for i in range(self.length)]

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(int(index))
        image = torch.randint(0, 256, (3, 64, 64), generator=generator, dtype=torch.uint8)
        meta = dict(img_shape=(64, 64), ori_shape=(64, 64), img_path=f"{int(index)}.png")
        if self.labels:
            sample = ClassificationSample(metainfo=meta)
            sample.set_field(torch.tensor(int(index) % self.classes), "gt_label")
        else:
            sample = SegDataSample(metainfo=meta)
            labels = torch.randint(0, self.classes, (1, 64, 64), generator=generator)
            sample.gt_sem_seg = PixelData(data=labels)
        return dict(inputs=image, data_samples=sample)
