import pytest
import torch
from mini_run import write_frames
from mmengine.registry import init_default_scope
from street_files import write_ids

from mmasg.datasets.gta5 import GTA5Dataset
from mmasg.files.sample_check import SampleError, check_sample, explain
from mmasg.reproducible import KeyedIndex, KeyedRandomnessDataset


def dataset(root):
    init_default_scope("mmseg")
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    return KeyedRandomnessDataset(GTA5Dataset(data_root=str(root), pipeline=pipeline))


KEY = (0, 0, 0)


def test_good_samples_pass_with_ignored_pixels(tmp_path):
    root = write_frames(tmp_path, frames=2)
    write_ids(root / "labels/00001_labelTrainIds.png", [0, 255, 18], size=(128, 96))
    data = dataset(root)
    assert data[KeyedIndex(0, KEY)]["inputs"].shape == (3, 96, 128)


def test_wrong_ids_and_sizes_name_the_file_and_the_sizes_on_disk(tmp_path):
    root = write_frames(tmp_path, frames=3)
    write_ids(root / "labels/00001_labelTrainIds.png", [0, 19], size=(128, 96))
    write_ids(root / "labels/00002_labelTrainIds.png", [0, 1], size=(64, 96))
    (root / "images/00003.png").write_bytes(b"")
    data = dataset(root)
    with pytest.raises(SampleError, match=r"00001_labelTrainIds.png has the label ids \[19\]"):
        data[KeyedIndex(0, KEY)]
    with pytest.raises(SampleError, match="00002.png is 128 x 96 and .*Ids.png is 64 x 96"):
        data[KeyedIndex(1, KEY)]
    with pytest.raises(SampleError, match="00003.png is truncated or no image"):
        data[KeyedIndex(2, KEY)]
    (root / "images/00003.png").unlink()
    with pytest.raises(SampleError, match="there is no file .*00003.png"):
        data[KeyedIndex(2, KEY)]


def test_other_data_pass():
    check_sample(None, 0, torch.zeros(3))
    check_sample(None, 0, dict(inputs=torch.zeros(3), data_samples=torch.zeros(1)))
    error = explain(torch.utils.data.TensorDataset(torch.zeros(1)), 0, ValueError("why"))
    assert "no file named" in str(error) and "ValueError: why" in str(error)
