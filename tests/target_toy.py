"""Toy trainings with unlabelled target frames."""

import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from seg_toy import SegToyDataset, resnet18, segmentor, toy_config


@DATASETS.register_module(force=True)
class UnlabelledToy(BaseDataset):
    """Frames alone; a label, were one asked for, would be garbage."""

    METAINFO = SegToyDataset.METAINFO

    def __init__(self, size=(32, 32), length=6, garbage=False, **kwargs):
        self.size, self.length, self.garbage = tuple(size), length, garbage
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(index=i) for i in range(self.length)]

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(100 + int(index))
        image = torch.randint(0, 256, (3, *self.size), generator=generator, dtype=torch.uint8)
        shape = dict(img_shape=self.size, ori_shape=self.size, pad_shape=self.size)
        sample = SegDataSample(metainfo=shape)
        if self.garbage:
            sample.gt_sem_seg = PixelData(data=torch.randint(0, 3, (1, *self.size)))
        return dict(inputs=image, data_samples=sample)


def hook(type="MeanTeacherHook", **extra):
    target = dict(dataset=dict(type="UnlabelledToy", **extra.pop("dataset", {})), batch_size=2)
    return dict(type=type, target={**target, **extra.pop("target", {})}, **extra)


def config(tmp_path, *, mean_teacher=None, max_iters=4, hooks=(), **extra):
    hooks = [*hooks, mean_teacher or hook(), dict(type="KeyedRandomnessHook")]
    made = toy_config(tmp_path, segmentor(resnet18()), max_iters=max_iters, hooks=hooks, **extra)
    made["train_dataloader"]["sampler"] = dict(type="KeyedInfiniteSampler")
    made["default_hooks"]["checkpoint"]["interval"] = 2
    return made


def weights(runner):
    return {k: v.clone() for k, v in runner.model.state_dict().items()}
