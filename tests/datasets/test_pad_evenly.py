import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from mmseg.models import SegDataPreProcessor

from mmasg.datasets.pad_evenly import PadEvenly, take_mean

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def sample(height, width):
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = generator.integers(0, 19, (height, width), dtype=np.uint8)
    return dict(img=image, gt_seg_map=labels, seg_fields=["gt_seg_map"], img_shape=(1, 1))


def test_evenly_with_the_larger_half_right_and_below():
    before = sample(4, 6)
    after = PadEvenly(size=(7, 8)).transform(dict(before, img=before["img"].copy()))
    assert after["img"].shape == (7, 8, 3) and after["img"].dtype == np.float32
    assert after["img_shape"] == after["pad_shape"] == (7, 8)
    inside = (slice(1, 5), slice(1, 7))  # 3 rows: 1 above, 2 below; 2 columns: 1 and 1
    np.testing.assert_array_equal(after["img"][inside], before["img"])
    np.testing.assert_array_equal(after["gt_seg_map"][inside], before["gt_seg_map"])
    border = np.ones((7, 8), bool)
    border[inside] = False
    assert (after["gt_seg_map"][border] == 255).all()
    assert after["gt_seg_map"].dtype == np.uint8
    # Images are BGR here, the mean is in RGB order.
    np.testing.assert_allclose(after["img"][border], [MEAN[::-1]] * border.sum(), rtol=1e-6)


def test_zero_after_normalisation():
    after = PadEvenly(size=(6, 6)).transform(sample(2, 6))
    preprocessor = SegDataPreProcessor(mean=MEAN, std=STD, bgr_to_rgb=True)
    tensor = torch.from_numpy(after["img"].transpose(2, 0, 1).copy())
    out = preprocessor(dict(inputs=[tensor], data_samples=None), False)["inputs"][0]
    assert (out[:, :2] == 0).all() and (out[:, 4:] == 0).all()
    assert out[:, 2:4].abs().min(dim=0).values.any()


def test_large_images_stay_as_they_are():
    before = sample(9, 8)
    after = PadEvenly(size=(7, 8)).transform(dict(before))
    assert after["img"] is before["img"] and after["gt_seg_map"] is before["gt_seg_map"]
    assert after["img_shape"] == after["pad_shape"] == (9, 8)


def test_one_side_alone_and_rgb():
    transform = TRANSFORMS.build(
        dict(type="PadEvenly", size=(4, 10), mean=[1, 2, 3], bgr=False, seg_pad_val=7)
    )
    after = transform(sample(6, 7))
    assert after["img"].shape == (6, 10, 3)
    np.testing.assert_array_equal(after["img"][0, 0], [1, 2, 3])
    assert (after["gt_seg_map"][:, [0, 8, 9]] == 7).all()


def test_errors():
    with pytest.raises(ValueError, match=r"PadEvenly\.size: got \(7,\); allowed: \(height"):
        PadEvenly(size=(7,))
    with pytest.raises(ValueError, match=r"size: got \(0, 4\)"):
        PadEvenly(size=(0, 4))
    with pytest.raises(ValueError, match=r"mean: got \(127,\); allowed: .*three numbers in"):
        PadEvenly(size=(4, 4), mean=(127,))


def test_the_mean_comes_from_the_model():
    step = dict(type="PadEvenly", size=(4, 4))
    nested = dict(type="KeyedRandomnessDataset", dataset=dict(pipeline=[dict(step)]))
    config = Config(
        dict(
            model=dict(data_preprocessor=dict(mean=[127.0] * 3)),
            train_pipeline=[step],
            train_dataloader=dict(dataset=nested),
        )
    )
    take_mean(config)
    assert config.train_dataloader.dataset.dataset.pipeline[0].mean == [127.0] * 3
    config.train_dataloader.dataset.dataset.pipeline[0].mean = [1, 2, 3]
    key = r"train_dataloader\.dataset\.dataset\.pipeline\[0\]\.mean: got \[1, 2, 3\]; allowed"
    with pytest.raises(ValueError, match=rf"{key}: model.data_preprocessor.mean, \[127.0"):
        take_mean(config)
    bare = dict(train_pipeline=[dict(step)])
    take_mean(bare)
    assert "mean" not in bare["train_pipeline"][0]
