import numpy as np
import pytest
import torch
from mini_run import write_frames
from mmengine.registry import init_default_scope
from PIL import Image
from street_files import write_ids

from mmasg.datasets.gta5 import GTA5Dataset
from mmasg.files.sample_check import SampleError, check_sample, explain
from mmasg.reproducible import KeyedIndex, KeyedRandomnessDataset


def dataset(root, load=(), **more):
    init_default_scope("mmseg")
    pipeline = [
        dict(type="LoadImageFromFile", **dict(load)),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    return KeyedRandomnessDataset(GTA5Dataset(data_root=str(root), pipeline=pipeline, **more))


KEY = (0, 0, 0)


def test_good_samples_pass_with_ignored_pixels(tmp_path):
    root = write_frames(tmp_path, frames=2)
    write_ids(root / "labels/00001_labelTrainIds.png", [0, 255, 18], size=(128, 96))
    bits = np.arange(96 * 128).reshape(96, 128) % 2 == 0
    Image.fromarray(bits).save(root / "labels/00002_labelTrainIds.png")
    data = dataset(root)
    assert data[KeyedIndex(0, KEY)]["inputs"].shape == (3, 96, 128)
    assert data[KeyedIndex(1, KEY)]["data_samples"].gt_sem_seg.data.unique().tolist() == [0, 1]


def test_wrong_ids_and_sizes_name_the_file_and_the_sizes_on_disk(tmp_path):
    root = write_frames(tmp_path, frames=3)
    write_ids(root / "labels/00001_labelTrainIds.png", [0, 19, 33], size=(128, 96))
    write_ids(root / "labels/00002_labelTrainIds.png", [0, 1], size=(64, 48))
    (root / "images/00003.png").write_bytes(b"")
    data = dataset(root)
    ids = r"00001_labelTrainIds.png has the label ids \[19, 33\]"
    with pytest.raises(SampleError, match=ids):
        data[KeyedIndex(0, KEY)]
    with pytest.raises(SampleError, match="Ids.png is 64x48, its image 128x96: .* scaled by 0.5"):
        data[KeyedIndex(1, KEY)]
    with pytest.raises(SampleError, match="00003.png: not a picture, or cut off .*Download or"):
        data[KeyedIndex(2, KEY)]
    (root / "images/00003.png").unlink()
    with pytest.raises(SampleError, match="00003.png: there is no such file"):
        data[KeyedIndex(2, KEY)]


def test_lossy_wide_and_turned_files_stop_a_training(tmp_path):
    root = write_frames(tmp_path, frames=3)
    with Image.open(root / "labels/00001_labelTrainIds.png") as picture:
        picture.save(root / "labels/00001_labelTrainIds.png", format="JPEG", quality=95)
    wide = np.full((96, 128), 256 + 13, np.uint16)  # 13, once it is cut to 8 bits
    Image.fromarray(wide).save(root / "labels/00002_labelTrainIds.png")
    exif = Image.Exif()
    exif[274] = 3
    with Image.open(root / "images/00003.png") as picture:
        picture.save(root / "images/00003.png", format="JPEG", exif=exif)
    data = dataset(root)
    with pytest.raises(SampleError, match="Ids.png: it is stored as JPEG, which may change ids"):
        data[KeyedIndex(0, KEY)]
    with pytest.raises(SampleError, match="values 269 to 269, not ids 0 to 255"):
        data[KeyedIndex(1, KEY)]
    with pytest.raises(SampleError, match=r"00003.png \(orientation 3\).*color_ignore_orient"):
        data[KeyedIndex(2, KEY)]
    unturned = dataset(root, load=dict(color_type="color_ignore_orientation"))
    assert unturned[KeyedIndex(2, KEY)]["inputs"].shape == (3, 96, 128)


def test_other_data_pass():
    check_sample(None, 0, torch.zeros(3))
    check_sample(None, 0, dict(inputs=torch.zeros(3), data_samples=torch.zeros(1)))
    error = explain(torch.utils.data.TensorDataset(torch.zeros(1)), 0, ValueError("why"))
    assert "no file named" in str(error) and "by the pipeline: why" in str(error)
