import io

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, PixelData
from mmseg.structures import SegDataSample

from mmasg.checkpoint.plain_data import from_plain, to_plain
from mmasg.reproducible import KeyedIndex


def through_a_file(data):
    file = io.BytesIO()
    torch.save(to_plain(data), file)
    file.seek(0)
    return from_plain(torch.load(file, weights_only=True))


def test_segmentation_batch_survives():
    sample = SegDataSample(metainfo=dict(img_path="a.png", img_shape=(4, 5), flip=None))
    sample.gt_sem_seg = PixelData(data=torch.arange(20).view(1, 4, 5))
    batch = dict(inputs=[torch.rand(3, 4, 5)], data_samples=[sample], n=(np.int64(3), 0.5))
    again = through_a_file(batch)
    assert torch.equal(again["inputs"][0], batch["inputs"][0])
    assert isinstance(again["data_samples"][0], SegDataSample)
    assert again["data_samples"][0].metainfo == sample.metainfo
    assert torch.equal(again["data_samples"][0].gt_sem_seg.data, sample.gt_sem_seg.data)
    assert again["n"] == (3, 0.5)


def test_arrays_scalars_and_what_is_not_data():
    again = through_a_file(
        dict(a=np.arange(3.0), flag=True, index=KeyedIndex(3, (0, 0, 0)), other=object())
    )
    assert again["a"].dtype == np.float64 and again["a"].tolist() == [0, 1, 2]
    assert again["flag"] is True and type(again["index"]) is int
    assert again["other"].startswith("<object")


def test_no_class_but_data_elements_is_made():
    plain = to_plain(BaseDataElement())
    plain["__data_element__"] = "subprocess:Popen"
    with pytest.raises(ValueError, match="Popen of subprocess"):
        from_plain(plain)
