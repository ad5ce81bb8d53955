import itertools

import pytest
from torch.utils.data import ConcatDataset

from mmasg.reproducible import KeyedRatioSampler

SOURCE, TARGET = list(range(7)), list(range(100, 103))


def sampler(ratio=(1, 1), rank=0, world_size=1, **kwargs):
    made = KeyedRatioSampler(ConcatDataset([SOURCE, TARGET]), ratio, seed=3, **kwargs)
    made.rank, made.world_size = rank, world_size
    return made


def take(made, count):
    return [(int(i), i.key) for i in itertools.islice(iter(made), count)]


@pytest.mark.parametrize("ratio", [(1, 1), (3, 1), (1, 2)])
def test_every_turn_has_the_ratio_and_every_pass_all_of_a_part(ratio):
    drawn = [index for index, _ in take(sampler(ratio), 84)]
    for start in range(0, 84, sum(ratio)):
        turn = drawn[start : start + sum(ratio)]
        assert sum(index < 7 for index in turn) == ratio[0]
    source = [index for index in drawn if index < 7]
    target = [index - 7 for index in drawn if index >= 7]
    for part, size in ((source, 7), (target, 3)):
        passes = [part[k : k + size] for k in range(0, len(part) - size + 1, size)]
        assert all(sorted(p) == list(range(size)) for p in passes)
        assert len({tuple(p) for p in passes}) > 1


def test_ranks_share_the_stream_and_no_key_comes_twice():
    whole = take(sampler(), 60)
    parts = [take(sampler(rank=rank, world_size=3), 20) for rank in range(3)]
    assert [draw for trio in zip(*parts, strict=True) for draw in trio] == whole
    assert len({key for _, key in whole}) == 60


def test_skipping_goes_on_where_it_was():
    skipped = sampler()
    skipped.skip(17)
    assert take(skipped, 30) == take(sampler(), 47)[17:]
    assert [i for i, _ in take(sampler(shuffle=False), 6)] == [0, 7, 1, 8, 2, 9]


def test_errors():
    for ratio in ((1,), (1, 0), (1.5, 1), (True, 1)):
        with pytest.raises(ValueError, match=r"sampler.ratio: got .*allowed: 2 whole numbers"):
            sampler(ratio)
    with pytest.raises(ValueError, match="the data set is a list, which has no parts"):
        KeyedRatioSampler([1, 2], seed=0)
    with pytest.raises(ValueError, match="part 1 of the data set is empty"):
        KeyedRatioSampler(ConcatDataset([SOURCE, TARGET[:0]]), seed=0)
