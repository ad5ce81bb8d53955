import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

import mmasg  # noqa: F401
from mmasg.datasets.photometric_shift import SHIFTS, PhotometricShift


def image():
    ramp = np.add.outer(np.arange(48), np.arange(64)) * 2
    pixels = np.stack([ramp, 255 - ramp, np.full_like(ramp, 90)], -1)
    pixels += np.random.default_rng(0).integers(0, 40, pixels.shape)  # something to blur
    return pixels.clip(0, 255).astype(np.uint8)


def shifted(name="x/a.png", **kwargs):
    transform = TRANSFORMS.build(dict(type="PhotometricShift", **kwargs))
    return transform(dict(img=image(), img_path=name))["img"]


def test_the_shift_belongs_to_the_image_and_to_nothing_else():
    first = shifted()
    np.random.seed(5)
    shifted("x/b.png")
    np.testing.assert_array_equal(shifted("y/a.jpg"), first)
    assert first.dtype == np.uint8 and first.shape == image().shape
    assert not np.array_equal(shifted("x/b.png"), first)
    assert not np.array_equal(shifted(seed=1), first)


@pytest.mark.parametrize("shift", SHIFTS)
def test_every_shift_alone_changes_the_image_and_strength_scales_it(shift):
    def change(strength):
        pixels = shifted(shifts=[shift], prob=0, strength=strength).astype(float)
        return np.abs(pixels - image()).mean()

    assert 0 < change(0.6) < change(1.0) < 80


def test_strength_zero_is_the_image_itself():
    np.testing.assert_array_equal(shifted(strength=0), image())


def test_no_image_stays_as_it_was():
    for number in range(20):
        assert not np.array_equal(shifted(f"{number}.png", prob=0.0), image())


def test_haze_is_thicker_above():
    grey = np.full((40, 40, 3), 60, np.uint8)
    out = PhotometricShift(shifts=["haze"], prob=1)(dict(img=grey, img_path="a"))["img"]
    assert out[0].mean() > out[20].mean() > out[-1].mean() > 60


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(shifts=["hase"]), "Did you mean 'haze'"),
        (dict(shifts="haze"), "a list out of"),
        (dict(shifts=[]), "a list out of"),
        (dict(strength=-1), "PhotometricShift.strength: got -1; allowed: 0 to 3"),
        (dict(prob=2), "PhotometricShift.prob: got 2; allowed: 0 to 1"),
        (dict(seed=1.5), "PhotometricShift.seed: got 1.5"),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        PhotometricShift(**kwargs)
