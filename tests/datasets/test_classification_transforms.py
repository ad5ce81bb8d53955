"""Resizing and packing for classification."""

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmasg.datasets.classification_transforms import PackClassification, ResizeShorterSide


@pytest.mark.parametrize(
    "shape, expected",
    # torchvision truncates the longer side: 224 * 375 / 500 = 168; 224 * 500 / 333 = 336.3
    [((333, 500), (224, 336)), ((500, 333), (336, 224)), ((100, 100), (224, 224))],
)
def test_size_is_torchvisions(shape, expected):
    img = np.zeros((*shape, 3), np.uint8)
    results = ResizeShorterSide(224)(dict(img=img))
    assert results["img"].shape == (*expected, 3)
    assert results["img_shape"] == expected
    assert results["scale_factor"] == (expected[1] / shape[1], expected[0] / shape[0])


def test_filter_is_pillows():
    img = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    ours = ResizeShorterSide(30)(dict(img=img))["img"]
    pillow = np.asarray(Image.fromarray(img).resize((40, 30), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(ours, pillow)
    # Shrinking three-fold must average noise (standard deviation 74) away; a filter that skips
    # pixels leaves much more of it.
    assert ours.std() < 40


def test_unchanged_size_is_not_touched():
    img = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    assert ResizeShorterSide(30)(dict(img=img))["img"] is img


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(size=0), "size must be a positive integer, got 0"),
        (dict(size=(224, 224)), "size must be a positive integer"),
        (dict(size=224, interpolation="area"), "interpolation must be one of .*'bilinear'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type="ResizeShorterSide", **settings))


def test_pack_without_label_and_grey():
    packed = PackClassification()(dict(img=np.full((4, 5), 7, np.uint8), img_path="x"))
    assert packed["inputs"].shape == (3, 4, 5) and packed["inputs"].dtype == torch.uint8
    assert "gt_label" not in packed["data_samples"]
    assert packed["data_samples"].metainfo == dict(img_path="x")
