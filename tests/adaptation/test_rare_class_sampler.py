import itertools
import json
from collections import Counter

import numpy as np
import pytest
import street_files
import torch
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.registry import DATA_SAMPLERS
from mmseg.utils import register_all_modules

from mmasg.adaptation import RareClassSampler, rare_class_probabilities
from mmasg.datasets import GTA5Dataset
from mmasg.reproducible import KeyedRandomnessDataset

#: Ids in each frame's quarters: class 0 everywhere, 1 in two frames, 2 in one.
FRAMES = [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 2], [0, 0, 0, 0]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("rare")
    for number, ids in enumerate(FRAMES):
        street_files.write_image(root / f"images/{number:05d}.png", (32, 32), number)
        label = root / f"labels/{number:05d}_labelTrainIds.png"
        street_files.write_ids(label, ids, size=(32, 32))
    register_all_modules(init_default_scope=False)
    return GTA5Dataset(data_root=str(root), pipeline=[dict(type="mmseg.LoadAnnotations")])


class Target(BaseDataset):
    METAINFO = GTA5Dataset.METAINFO

    def load_data_list(self):
        return [dict(index=i) for i in range(3)]


def pixels(source):
    """By brute force: every label opened, every class counted."""
    return np.stack(
        [
            np.bincount(source[i]["gt_seg_map"].ravel(), minlength=256)[:19]
            for i in range(len(source))
        ]
    )


def first(sampler, count):
    return list(itertools.islice(sampler, count))


def test_frames_come_as_often_as_their_classes_say(source):
    counts = pixels(source)
    sampler = RareClassSampler(source, temperature=0.3, seed=1)
    probabilities = rare_class_probabilities(torch.from_numpy(counts.sum(0)), 0.3).numpy()
    assert sampler.probabilities == pytest.approx(probabilities)
    expected = np.zeros(4)
    for k, probability in enumerate(probabilities):
        shows = counts[:, k] > 0
        if probability:
            expected += probability * shows / shows.sum()
    drawn = Counter(map(int, first(sampler, 4000)))
    # Of 4,000 draws a share has a standard deviation of 0.008 at most.
    assert [drawn[i] / 4000 for i in range(4)] == pytest.approx(expected.tolist(), abs=0.03)


def test_draws_are_keyed_and_resumed(source, monkeypatch):
    whole = first(RareClassSampler(source, seed=3), 40)
    assert len({index.key for index in whole}) == 40
    rest = RareClassSampler(source, seed=3)
    rest.skip(13)
    assert [(int(i), i.key) for i in first(rest, 27)] == [(int(i), i.key) for i in whole[13:]]
    ranks = []
    for rank in range(2):
        monkeypatch.setattr(
            "mmasg.reproducible.keyed_samplers.get_dist_info", lambda rank=rank: (rank, 2)
        )
        ranks.append(first(RareClassSampler(source, seed=3), 20))
    together = [index for pair in zip(*ranks, strict=True) for index in pair]
    assert [(int(i), i.key) for i in together] == [(int(i), i.key) for i in whole]


def test_the_statistics_are_kept_and_of_these_very_frames(source, tmp_path, monkeypatch):
    file = tmp_path / "classes.json"
    sampler = RareClassSampler(source, statistics=str(file), seed=0)
    assert json.loads(file.read_text())["pixels"] == pixels(source).tolist()
    monkeypatch.setattr("mmasg.adaptation.class_statistics._count", None)  # not counted again
    again = RareClassSampler(source, statistics=str(file), seed=0)
    assert first(again, 20) == first(sampler, 20)
    monkeypatch.undo()
    content = json.loads(file.read_text())
    content["samples"][0] = "another.png"
    file.write_text(json.dumps(content))
    RareClassSampler(source, statistics=str(file), seed=0)
    assert json.loads(file.read_text())["samples"][0] != "another.png"
    content = json.loads(file.read_text())
    content["pixels"] = content["pixels"][:1]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="is cut off or changed. Remove it"):
        RareClassSampler(source, statistics=str(file), seed=0)


def test_it_deals_source_and_target_by_turns(source):
    joined = ConcatDataset([source, Target()], ignore_keys=list(source.metainfo))
    dataset = KeyedRandomnessDataset(joined)
    sampler = DATA_SAMPLERS.build(
        dict(type="RareClassSampler", temperature=0.02, ratio=(2, 1), seed=5),
        default_args=dict(dataset=dataset),
    )
    drawn = [int(index) for index in first(sampler, 60)]
    assert all((index >= 4) == (place % 3 == 2) for place, index in enumerate(drawn))
    # The target goes through all of its frames, pass after pass; the source shows the rare class.
    assert sorted(Counter(drawn[2::3]).values()) == [6, 7, 7]
    assert Counter(i for i in drawn if i < 4).most_common(1)[0][0] == 2


def test_min_pixels_and_errors(source):
    few = RareClassSampler(source, min_pixels=300, seed=0)
    assert few.probabilities[2] == 0  # a quarter of 32x32 has 256
    with pytest.raises(ValueError, match="no frame has 2000 pixels of any class"):
        RareClassSampler(source, min_pixels=2000)
    with pytest.raises(ValueError, match="min_pixels: got 0"):
        RareClassSampler(source, min_pixels=0)
    with pytest.raises(ValueError, match="names no classes, so none can be rare"):
        RareClassSampler(torch.utils.data.TensorDataset(torch.ones(3)))
