"""The two looks of the miniature street scenes."""

import numpy as np
import pytest

from mmasg.miniature import photographs
from mmasg.miniature.classes import CAR, PALETTE, SKY, TRAIN_CLASSES
from mmasg.miniature.dice import (
    APPEARANCE,
    GEOMETRY,
    SENSOR,
    Dice,
    appearance_generator,
)
from mmasg.miniature.layout import street_scene
from mmasg.miniature.materials import material_of
from mmasg.miniature.raster import label_map, polygon_map
from mmasg.miniature.render_source import render_source
from mmasg.miniature.render_target import render_target


def both(index, seed=0, appearance=None):
    key = (seed, 7, index)
    scene = street_scene(Dice((*key, GEOMETRY)))
    polygons = polygon_map(scene)
    colours = (*key, APPEARANCE) if appearance is None else appearance
    source = render_source(scene, polygons, appearance_generator(colours))
    target = render_target(
        scene, polygons, appearance_generator(colours), appearance_generator((*key, SENSOR))
    )
    return label_map(scene, polygons), source, target


@pytest.fixture(scope="module")
def frames():
    return [both(index) for index in range(12)]


def test_pictures_are_reproducible(frames):
    for before, after in zip(frames[3], both(3), strict=True):
        np.testing.assert_array_equal(before, after)


def test_textures_do_not_move_labels(frames):
    labels, source, target = both(3, appearance=(99,))
    np.testing.assert_array_equal(labels, frames[3][0])
    assert (source != frames[3][1]).any() and (target != frames[3][2]).any()


def test_source_is_flat_and_target_is_not(frames):
    for labels, source, target in frames:
        assert source.dtype == target.dtype == np.uint8
        assert source.shape == target.shape == (256, 512, 3)
        # neighbours inside one label: equal nearly everywhere in the source, hardly ever in the
        # target
        inside = labels[:, 1:] == labels[:, :-1]
        same_source = (source[:, 1:] == source[:, :-1]).all(-1)[inside].mean()
        same_target = (target[:, 1:] == target[:, :-1]).all(-1)[inside].mean()
        assert same_source > 0.9
        assert same_target < 0.5


def test_what_colour_says_of_the_class_holds_on_the_source_alone(frames):
    """The commonest class of each of 16**3 colours, learnt on source frames, names pixels."""
    ids = sorted(TRAIN_CLASSES)

    def bins(image):
        cell = image.astype(np.int64) // 16
        return (cell[..., 0] * 16 + cell[..., 1]) * 16 + cell[..., 2]

    def recall(labels, image):
        guess = table[bins(image)]
        return np.mean([np.mean(guess[labels == i] == i) for i in ids if (labels == i).any()])

    counts = np.zeros((16**3, 34))
    for labels, source, _ in frames[:8]:
        np.add.at(counts, (bins(source).ravel(), labels.ravel()), 1)
    table = (counts / counts.sum(0).clip(1))[:, ids].argmax(1)
    table = np.array(ids)[table]
    on_source = np.mean([recall(labels, source) for labels, source, _ in frames[8:]])
    on_target = np.mean([recall(labels, target) for labels, _, target in frames[8:]])
    assert on_source > 3 * on_target
    assert on_target < 0.15  # chance is 1 / 19


def test_tiles_have_mean_one_and_come_from_the_wheels():
    tiles = photographs.atlas()
    assert tiles.shape == (photographs.LEVELS, len(photographs.NAMES), 256, 256, 3)
    # float32 sums over 65536 pixels, one after the other
    np.testing.assert_allclose(tiles[0].mean(axis=(1, 2)), 1.0, atol=5e-3)
    # blurrier from level to level
    assert (np.diff(tiles.std(axis=(2, 3, 4)), axis=0) < 0).all()


def test_missing_photograph_is_an_error_that_helps(monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"'no\.png'.*pip install --force-reinstall"):
        photographs._photograph("no.png")


def test_parts_have_materials_of_their_own():
    assert material_of(CAR, "wheel") is not material_of(CAR, "body")
    assert material_of(CAR, "body") is material_of(CAR, "side")
    assert material_of(SKY, "sky").tiles


def test_palette_has_a_colour_for_each_id():
    assert len(PALETTE) == 34
    assert PALETTE[7] == (128, 64, 128) and PALETTE[33] == (119, 11, 32)
