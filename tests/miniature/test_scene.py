"""Draws, projection and layout of the miniature street scenes."""

import zlib
from functools import cache

import numpy as np
import pytest

from mmasg.miniature.classes import COUNTED, OUT_OF_ROI, TRAIN_CLASSES
from mmasg.miniature.dice import GEOMETRY, Dice
from mmasg.miniature.layout import street_scene
from mmasg.miniature.raster import instance_map, label_map, polygon_map
from mmasg.miniature.scene import (
    HEIGHT,
    WIDTH,
    Camera,
    Group,
    box,
    circle,
    flatten,
    stroke,
)


@cache
def frame(*key):
    scene = street_scene(Dice((*key, GEOMETRY)))
    polygons = polygon_map(scene)
    return scene, polygons, label_map(scene, polygons)


def test_dice_are_the_bit_generators_words():
    words = [int(w) for w in np.random.PCG64(np.random.SeedSequence([3, 1, 4])).random_raw(3)]
    dice = Dice((3, 1, 4))
    assert dice.real() == (words[0] >> 11) / 2**53
    assert dice.integer(10, 16) == 10 + words[1] % 7
    # 53 bits scaled to 2..6 are exact up to the rounding of one multiplication and one addition
    assert dice.real(2.0, 6.0) == pytest.approx(2 + 4 * (words[2] >> 11) / 2**53, abs=1e-15)


def test_dice_cover_their_range():
    dice = Dice((0,))
    assert {dice.integer(1, 4) for _ in range(200)} == {1, 2, 3, 4}
    assert {dice.choice("ab") for _ in range(50)} == {"a", "b"}
    assert {dice.sign() for _ in range(50)} == {-1, 1}
    assert 0.2 < np.mean([dice.chance(0.3) for _ in range(2000)]) < 0.4


def test_projection_by_hand():
    camera = Camera(focal=300.0, height=1.5, horizon=100.0, centre=256.0, bend=0.01)
    # x: 256 + (2 + 0.01 * 100) * 300 / 10; y: 100 + (1.5 - 0.5) * 300 / 10
    assert camera.project([(2.0, 0.5, 10.0)]).tolist() == [[346, 130]]
    # far outside of the frame points are held within what OpenCV rasterises
    assert camera.project([(1e9, -1e9, 1.0)]).tolist() == [[8000, 8000]]


def test_shapes():
    assert box(0, 1, 2, 3) == [(0, 1), (2, 1), (2, 3), (0, 3)]
    assert stroke((0.0, 0.0), (4.0, 0.0), 2.0) == [(0, 1), (4, 1), (4, -1), (0, -1)]
    radii = [np.hypot(x - 1, y - 2) for x, y in circle(1.0, 2.0, 3.0)]
    np.testing.assert_allclose(radii, 3.0, atol=1e-3)  # the table has 12 bits
    with pytest.raises(ValueError, match="two different ends"):
        stroke((1.0, 1.0), (1.0, 1.0), 2.0)


def test_near_things_hide_far_ones_and_parts_share_their_object():
    camera = Camera()
    far, near = Group(camera, 20.0, foot=(0.0, 1.0)), Group(camera, 5.0)
    far.flat(26, "body", box(-9, -9, 9, 9), 0.0)
    near.flat(25, "torso", box(-1, 0, 1, 3), 0.0)
    near.flat(33, "wheel", box(-1, 0, 0, 1), 0.0)
    near.flat(25, "helmet", box(0, 2, 1, 3), 0.0)
    scene = flatten(camera, [near, far])
    assert [p.label for p in scene.polygons] == [26, 25, 33, 25]
    assert [p.thing for p in scene.polygons] == [0, 1, 2, 1]
    assert scene.shadows == [(0.0, 1.0, 20.0)]
    polygons = polygon_map(scene)
    labels = label_map(scene, polygons)
    # the middle of the near box: 0.75 m above the ground at 5 m, to the camera's right
    row = int(camera.horizon + (camera.height - 0.75) * camera.focal / 5)
    assert labels[row, 256 + 30] == 25
    assert labels[row, 256 - 30] == 33


def test_prism_is_the_hull_of_both_ends():
    camera = Camera(bend=0.0)
    group = Group(camera, 10.0)
    group.prism(26, "body", "side", box(1.0, 0.0, 2.0, 1.0), 0.0, 10.0, 10.0)
    (hull, _, side), (front, _, body) = group.pieces
    assert (side, body) == ("side", "body")
    assert front[:, 0].min() == 256 + 30 and front[:, 0].max() == 256 + 60
    assert hull[:, 0].min() == 256 + 15 and hull[:, 0].max() == 256 + 60


def test_labels_are_the_same_on_every_machine():
    """Checksums of whole label maps; they change only with the generator's version."""
    sums = [zlib.crc32(frame(0, domain, 0)[2].tobytes()) for domain in (0, 1, 2)]
    assert sums == [3466887168, 1072866809, 3046282340]


def test_every_class_is_worth_learning_in_every_split():
    ids = sorted(TRAIN_CLASSES)
    for domain in (0, 1, 2):
        maps = [frame(0, domain, index)[2] for index in range(30)]
        counts = np.stack([np.bincount(m.ravel(), minlength=34) for m in maps])[:, ids]
        share = counts.sum(0) / (30 * HEIGHT * WIDTH)
        seen = (counts > 100).mean(0)
        names = [TRAIN_CLASSES[i] for i in ids]
        assert share.min() > 0.003, dict(zip(names, share, strict=True))
        assert seen.min() > 0.2, dict(zip(names, seen, strict=True))
        assert dict(zip(names, share, strict=True))["road"] > 0.15


def test_other_ids_occur_as_in_the_original():
    found = set()
    for index in range(40):
        found |= set(np.unique(frame(0, 0, index)[2]).tolist())
    assert found - set(TRAIN_CLASSES) >= {1, OUT_OF_ROI, 4, 6, 9, 10}
    assert max(found) <= 33


def test_layout_makes_sense():
    """The sky is up, the road is down, and wheels touch the ground below the horizon."""
    for index in range(20):
        scene, _, labels = frame(5, 0, index)
        rows = np.arange(HEIGHT)[:, None] * np.ones((1, WIDTH))
        assert rows[labels == 23].max() <= scene.camera.horizon + 1
        assert rows[labels == 7].min() >= scene.camera.horizon - 1
        assert (labels[HEIGHT - 30 : HEIGHT - 20] == 7).mean() > 0.1


def test_instances_count_the_visible_objects():
    seen = 0
    for index in range(10):
        scene, polygons, labels = frame(0, 1, index)
        instances = instance_map(scene, polygons, labels)
        assert instances.dtype == np.uint16
        counted = np.isin(labels, sorted(COUNTED))
        np.testing.assert_array_equal(instances[~counted], labels[~counted])
        np.testing.assert_array_equal(instances[counted] // 1000, labels[counted])
        for label in np.unique(labels[counted]):
            numbers = np.unique(instances[labels == label] % 1000)
            assert numbers.tolist() == list(range(len(numbers)))
            seen = max(seen, len(numbers))
    assert seen >= 3


def test_frames_differ():
    maps = [frame(0, domain, index)[2] for domain in (0, 1, 2) for index in range(2)]
    maps.append(frame(1, 0, 0)[2])
    for i, one in enumerate(maps):
        for other in maps[i + 1 :]:
            assert (one != other).mean() > 0.05
