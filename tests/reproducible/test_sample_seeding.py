import pickle
import random

import numpy as np
import pytest
import torch
from engine_toy import EngineToyDataset, read_record, run_toy, toy_config
from mmengine.dataset import DefaultSampler
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader

from mmasg.reproducible import (
    KeyedDefaultSampler,
    KeyedIndex,
    KeyedInfiniteSampler,
    KeyedRandomnessDataset,
    keyed_randomness,
)


def as_rank(sampler, rank, world_size):
    sampler.rank, sampler.world_size = rank, world_size
    return sampler


def take(sampler, count):
    return [(int(i), i.key) for i, _ in zip(iter(sampler), range(count), strict=False)]


def same_weights(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True)
    )


@pytest.fixture(autouse=True)
def one_thread():
    # Bit for bit, whatever the machine: the order of sums must not depend on its cores.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_index_is_an_int_and_survives_pickling():
    index = KeyedIndex(7, (1, 2, 3))
    again = pickle.loads(pickle.dumps(index))
    assert again == 7 and again.key == (1, 2, 3) and list(range(9))[again] == 7


def test_every_pass_of_the_stream_is_a_permutation_and_passes_differ():
    stream = take(KeyedInfiniteSampler(range(10), seed=3), 30)
    passes = [[i for i, _ in stream[k : k + 10]] for k in (0, 10, 20)]
    assert all(sorted(p) == list(range(10)) for p in passes)
    assert passes[0] != passes[1] != passes[2]
    assert len({key for _, key in stream}) == 30


@pytest.mark.parametrize("world_size", [2, 3, 16])
def test_ranks_together_see_the_batches_of_one_process(world_size):
    # 10 samples and 16 ranks: a stride longer than a pass.
    b, iterations = 3, 8
    single = take(KeyedInfiniteSampler(range(10), seed=3), b * world_size * iterations)
    ranks = [
        take(as_rank(KeyedInfiniteSampler(range(10), seed=3), r, world_size), b * iterations)
        for r in range(world_size)
    ]
    for k in range(iterations):
        together = [s for rank in ranks for s in rank[k * b : (k + 1) * b]]
        assert sorted(together) == sorted(single[k * b * world_size : (k + 1) * b * world_size])


def test_skip_is_the_stream_from_there_on():
    whole = take(as_rank(KeyedInfiniteSampler(range(10), seed=3), 1, 2), 40)
    skipped = as_rank(KeyedInfiniteSampler(range(10), seed=3), 1, 2)
    skipped.skip(17)
    assert take(skipped, 23) == whole[17:]


@pytest.mark.parametrize("round_up", [True, False])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_default_sampler_deals_as_mmengine_does(rank, round_up):
    ours = KeyedDefaultSampler(range(10), seed=3, round_up=round_up)
    theirs = DefaultSampler(range(10), seed=3, round_up=round_up)
    for sampler in (ours, theirs):
        as_rank(sampler, rank, 3).set_epoch(4)
        sampler.total_size = 12 if round_up else 10
    assert [int(i) for i in ours] == list(theirs)


def test_default_sampler_skips_within_one_epoch_only():
    sampler = KeyedDefaultSampler(range(10), seed=3)
    whole = take(sampler, 10)
    sampler.skip_in_epoch(4)
    assert take(sampler, 10) == whole[4:]
    assert take(sampler, 10) == whole


def test_a_sample_depends_on_its_key_alone():
    data = KeyedRandomnessDataset(
        dict(type="EngineToyDataset", pipeline=[dict(type="EngineToyAugment")])
    )
    first = data[KeyedIndex(4, (1, 0, 2))]["inputs"]
    np.random.rand(3), random.random(), torch.rand(2)
    assert torch.equal(first, data[KeyedIndex(4, (1, 0, 2))]["inputs"])
    others = [(2, 0, 2), (1, 1, 2), (1, 0, 3)]
    assert len({data[KeyedIndex(4, k)]["inputs"][1].item() for k in [(1, 0, 2), *others]}) == 4


def test_the_training_process_keeps_its_generators():
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    expected = torch.rand(()), np.random.rand(), random.random()
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    with pytest.raises(KeyError), keyed_randomness((1, 2, 3)):
        torch.rand(5), np.random.rand(5), random.random()
        raise KeyError
    assert (torch.rand(()), np.random.rand(), random.random()) == expected


def test_workers_do_not_change_the_batches():
    def batches(num_workers):
        data = KeyedRandomnessDataset(EngineToyDataset(pipeline=[dict(type="EngineToyAugment")]))
        loader = DataLoader(
            data,
            batch_size=5,
            sampler=KeyedDefaultSampler(data, seed=1),
            num_workers=num_workers,
            generator=torch.Generator().manual_seed(num_workers),
        )
        return torch.cat([batch["inputs"] for batch in loader])

    assert torch.equal(batches(0), batches(2))


def test_wrapper_passes_the_dataset_through():
    data = KeyedRandomnessDataset(dict(type="EngineToyDataset", lazy_init=True))
    assert not data.dataset._fully_initialized
    data.full_init()
    assert len(data) == 23 and data.metainfo["classes"] == ("a", "b")
    assert data.get_data_info(3)["value"] == 3.0


def test_an_index_without_key_warns_once():
    data = KeyedRandomnessDataset(
        dict(type="EngineToyDataset", pipeline=[dict(type="EngineToyAugment")])
    )
    with pytest.warns(UserWarning, match="KeyedInfiniteSampler") as caught:
        data[0], data[1]
    assert len(caught) == 1


def test_wrong_arguments():
    with pytest.raises(TypeError, match="must be a dataset or its config .* got str"):
        KeyedRandomnessDataset("data/gta5")
    with pytest.raises(ValueError, match="empty dataset.*data_root"):
        KeyedInfiniteSampler([], seed=1)
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        KeyedInfiniteSampler([1], seed=-1)
    with pytest.raises(ValueError, match="must not be negative, got -2"):
        KeyedInfiniteSampler([1], seed=1).skip(-2)


def replay(self, num_iters):
    # What mmengine 0.10.7 does on resume.
    for _ in range(num_iters):
        next(self)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("family", ["skips", "replays"])
def test_resumed_run_is_the_uninterrupted_run(tmp_path, monkeypatch, num_workers, family):
    if family == "replays":
        monkeypatch.setattr(_InfiniteDataloaderIterator, "skip_iter", replay)
    whole = run_toy(
        toy_config(tmp_path / "whole", num_workers=num_workers, record=tmp_path / "whole.txt")
    )
    parts = tmp_path / "parts.txt"
    common = dict(num_workers=num_workers, record=parts)
    run_toy(toy_config(tmp_path / "parts", max_iters=6, **common))
    second = run_toy(toy_config(tmp_path / "parts", resume=True, **common))
    assert second.iter == 12
    assert read_record(tmp_path / "whole.txt") == read_record(parts)
    assert len({noise for batch in read_record(parts) for _, noise in batch}) == 48
    assert same_weights(whole, second)


@pytest.mark.parametrize("family", ["skips", "replays"])
def test_resume_without_a_seed_goes_on_with_the_seed_of_the_checkpoint(
    tmp_path, monkeypatch, family
):
    if family == "replays":
        monkeypatch.setattr(_InfiniteDataloaderIterator, "skip_iter", replay)
    record = tmp_path / "record.txt"
    run_toy(toy_config(tmp_path / "run", max_iters=6, seed=None, record=record))
    run_toy(toy_config(tmp_path / "run", seed=None, record=record, resume=True))
    # 12 batches of 4 from 23 samples: the first 23 and the next 23 are whole passes.
    seen = [index for batch in read_record(record) for index, _ in batch]
    assert sorted(seen[:23]) == sorted(seen[23:46]) == list(range(23))


def test_batch_split_over_workers_and_dropout_follow_the_iteration_not_the_history(tmp_path):
    # A hook that draws from the global generators must not change what the training does.
    from mmengine.hooks import Hook

    class Drawing(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            torch.rand(3), np.random.rand(3), random.random()

    plain = run_toy(toy_config(tmp_path / "plain"))
    hooks = [dict(type="KeyedRandomnessHook"), Drawing()]
    assert same_weights(plain, run_toy(toy_config(tmp_path / "drawing", custom_hooks=hooks)))


def test_hook_names_a_sampler_without_keys(tmp_path, caplog):
    config = toy_config(tmp_path / "run", max_iters=1, log_level="WARNING")
    config["train_dataloader"]["sampler"] = dict(type="InfiniteSampler")
    with pytest.warns(UserWarning, match="without a key"):
        run_toy(config)
    log = next((tmp_path / "run").glob("*/*.log")).read_text()
    assert "gives no sample keys (InfiniteSampler)" in log
