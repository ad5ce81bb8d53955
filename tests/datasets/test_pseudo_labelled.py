import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.structures import BaseDataElement
from mmseg.utils import register_all_modules
from street_files import write_ids, write_image

from mmasg.datasets.pseudo_labelled import is_pseudo_labelled, source_samples


@pytest.fixture
def files(tmp_path):
    write_image(tmp_path / "a.png", (8, 6), 1)
    write_ids(tmp_path / "labels/x/a.png", [0, 1], size=(8, 6))
    classes, weights = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8, 3), np.uint8)
    classes[:, 4:, 0] = 1
    classes[..., 1] = 2
    weights[..., 0], weights[..., 1] = 200, 55
    (tmp_path / "soft/x").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "soft/x/a.classes.png"), classes)
    cv2.imwrite(str(tmp_path / "soft/x/a.weights.png"), weights)
    return tmp_path


def pipeline(root, *steps):
    register_all_modules()
    return Compose(
        [
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations"),
            dict(type="LoadSoftLabels", folder=str(root / "soft"), root=str(root / "labels")),
            *steps,
            dict(type="PackPseudoLabels", pack=dict(type="PackSegInputs", meta_keys=("img_path",))),
        ]
    )


def sample(root, *steps):
    info = dict(
        img_path=str(root / "a.png"),
        seg_map_path=str(root / "labels/x/a.png"),
        seg_fields=[],
        label_map=None,
        reduce_zero_label=False,
    )
    return pipeline(root, *steps)(info)["data_samples"]


def test_soft_labels_move_with_the_hard_ones(files):
    plain = sample(files)
    assert is_pseudo_labelled(plain) and plain.img_path.endswith("a.png")
    assert torch.equal(plain.soft_labels.classes[0].long(), plain.gt_sem_seg.data[0])
    assert plain.soft_labels.weights[:, 0, 0].tolist() == [200, 55, 0]
    steps = [
        dict(type="RandomResize", scale=(16, 12), ratio_range=(1.0, 1.0), keep_ratio=True),
        dict(type="RandomFlip", prob=1.0),
        dict(type="RandomCrop", crop_size=(10, 11)),
        dict(type="PadEvenly", size=(14, 14)),
    ]
    moved = sample(files, *steps)
    hard, soft = moved.gt_sem_seg.data[0], moved.soft_labels.classes[0].long()
    assert hard.shape == (14, 14) and set(hard.unique().tolist()) == {0, 1, 255}
    assert torch.equal(hard, soft)  # 255 in the padding of both


def test_the_sources_samples_of_a_batch():
    own, other = BaseDataElement(), BaseDataElement(metainfo=dict(pseudo_labelled=True))
    assert not is_pseudo_labelled(own)
    assert source_samples(dict(data_samples=[own, other, own])) == [0, 2]
    for alike in ([own, own], [other, other]):
        assert source_samples(dict(data_samples=alike)) is None
    assert source_samples(None) is None


def test_missing_soft_labels(files):
    (files / "soft/x/a.weights.png").unlink()
    with pytest.raises(FileNotFoundError, match="there is no sound .*a.weights.png"):
        sample(files)
