"""The miniature of VisDA-17: shapes, looks, and that pictures depend on their index alone."""

import numpy as np
import pytest

from mmasg.datasets.visda import VISDA_CLASSES
from mmasg.miniature.dice import Dice
from mmasg.miniature.object_render import SIZE
from mmasg.miniature.object_shapes import SHAPES
from mmasg.miniature.objects import SPLITS, draw_object


def test_shapes_are_visdas_classes_in_order():
    assert [shape.__name__ for shape in SHAPES] == list(VISDA_CLASSES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_has_a_body_within_its_box(shape):
    for seed in range(5):
        parts = shape(Dice((seed,)))
        corners = np.concatenate([np.asarray(points) for _, points in parts])
        assert np.abs(corners).max() <= 1.2
        assert np.ptp(corners, axis=0).max() > 1.5  # fills the box in one direction at least
        assert all(len(points) >= 3 for _, points in parts)


@pytest.mark.parametrize("split", list(SPLITS))
def test_a_picture_is_a_function_of_split_index_and_seed(split):
    picture, label = draw_object(split, 14)
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    assert label == 2
    draw_object(split, 3)  # nothing is carried over
    np.testing.assert_array_equal(draw_object(split, 14)[0], picture)
    for other in (draw_object(split, 26)[0], draw_object(split, 14, seed=1)[0]):
        assert (other != picture).mean() > 0.3


def test_renders_are_plain_and_photographs_are_not():
    corners = {}
    for split in ("train", "validation"):
        pictures = np.stack([draw_object(split, i)[0] for i in range(24)]).astype(float)
        corner = pictures[:, :12, :12].reshape(24, -1, 3)
        # standard deviation over a corner's pixels, where the object seldom is
        corners[split] = np.median(corner.std(axis=1).mean(axis=1))
    assert corners["train"] < 3 < 8 < corners["validation"]


def test_colour_tells_the_class_in_the_source_alone():
    """Colour is the short cut that fails on the target: nearest mean colour as a classifier."""

    def colours(split, start):
        found = np.zeros((24, 3))
        for i in range(24):
            picture = draw_object(split, start + i)[0].astype(float)
            saturation = np.ptp(picture, axis=2)
            found[i] = picture[saturation >= np.quantile(saturation, 0.9)].mean(axis=0)
        return found

    means = (colours("train", 0)[:12] + colours("train", 0)[12:]) / 2
    right = {}
    for split in ("holdout", "validation"):
        distance = np.linalg.norm(colours(split, 0)[:, None] - means[None], axis=2)
        right[split] = (distance.argmin(axis=1) == np.arange(24) % 12).mean()
    assert right["holdout"] > 0.6 > 0.35 > right["validation"]


def test_the_test_split_is_large_enough_to_tell_arms_apart():
    # Of a mean over n pictures that are right or wrong: at most 50 / sqrt(n) points.
    assert 50 / SPLITS["test"] ** 0.5 < 2
    assert all(count % len(VISDA_CLASSES) == 0 for count in SPLITS.values())


def test_unknown_split():
    with pytest.raises(ValueError, match="split must be one of .*'train'.*, got 'val'"):
        draw_object("val", 0)
