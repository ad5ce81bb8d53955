"""Checkpoints of models on several processes, and between two steps of an optimizer."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from engine_toy import EngineToyModel, run_toy, toy_config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmasg.checkpoint.whole_state import (
    gather,
    half_summed_gradients,
    is_sharded,
    restore_gradients,
)


class Stop(Exception):
    pass


class StopHook(Hook):
    """Ends a training after an iteration, its checkpoint included."""

    priority = "LOWEST"

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            raise Stop


HOOK = dict(type="AtomicCheckpointHook", by_epoch=False, interval=1)


def config(work_dir, interval=1, accumulate=1, **extra):
    cfg = toy_config(work_dir, **extra)
    cfg["default_hooks"]["checkpoint"] = dict(HOOK, interval=interval)
    cfg["optim_wrapper"]["accumulative_counts"] = accumulate
    cfg["model"]["dropout"] = 0.0  # drawn by rank
    return cfg


def load(path):
    return torch.load(path, weights_only=False)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("stop", [1, 2, 4, 5])
def test_a_resume_between_two_steps_is_exact(tmp_path, stop):
    whole = run_toy(config(tmp_path / "whole", accumulate=3, max_iters=8))
    parts = config(tmp_path / "parts", accumulate=3, max_iters=8)

    with pytest.raises(Stop):
        run_toy(dict(parts, custom_hooks=[*parts["custom_hooks"], StopHook(stop)]))
    saved = load(tmp_path / "parts" / f"iter_{stop}.pth")
    assert set(saved["accumulated_gradients"]) == set(whole.model.state_dict())
    resumed = run_toy(dict(parts, resume=True))
    assert same(whole.model.state_dict(), resumed.model.state_dict())
    last = [load(tmp_path / f / "iter_8.pth")["optimizer"]["state"] for f in ("whole", "parts")]
    assert all(same(last[0][i], last[1][i]) for i in last[0])


def test_a_whole_step_saves_no_gradients(tmp_path):
    run_toy(config(tmp_path, accumulate=2, max_iters=4))
    assert "accumulated_gradients" not in load(tmp_path / "iter_2.pth")
    assert "accumulated_gradients" in load(tmp_path / "iter_3.pth")
    assert "accumulated_gradients" not in load(tmp_path / "iter_4.pth")


def test_gradients_go_and_come_back():
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    assert half_summed_gradients(model) == {}
    model(torch.ones(1, 2)).sum().backward()
    restore_gradients(other, half_summed_gradients(model))
    assert torch.equal(other.weight.grad, model.weight.grad)
    assert other.weight.grad is not model.weight.grad


def begin(rank, folder, name):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/{name}.rendezvous", rank=rank, world_size=2
    )


def sharded_runner(cfg, start):
    from torch.distributed.fsdp import fully_shard

    runner = Runner(**cfg)
    if start is not None:
        runner.model.load_state_dict(start)
    runner._init_model_weights = lambda: None
    fully_shard(runner.model.backbone)
    fully_shard(runner.model)
    assert is_sharded(runner.model)
    return runner


def shard_worker(rank, folder, start):
    begin(rank, folder, "shard")
    cfg = config(folder / "sharded", max_iters=4, interval=2, batch_size=2)
    sharded_runner(dict(cfg, experiment_name="sharded"), start).train()
    dist.barrier()
    cfg = config(folder / "resumed", max_iters=4, interval=2, batch_size=2)
    cfg |= dict(load_from=str(folder / "sharded" / "iter_2.pth"), resume=True)
    sharded_runner(dict(cfg, experiment_name="resumed"), None).train()
    dist.barrier()
    plain = config(folder / "refused", max_iters=1, batch_size=2)
    plain["default_hooks"]["checkpoint"]["type"] = "CheckpointHook"
    plain["custom_hooks"].append(dict(type="PlainCheckpointHook"))
    with pytest.raises(ValueError, match="default_hooks.checkpoint.*AtomicCheckpointHook"):
        sharded_runner(dict(plain, experiment_name="refused"), None).train()
    dist.destroy_process_group()


@pytest.mark.slow
def test_the_file_of_a_sharded_model_is_the_file_of_a_whole_one(tmp_path):
    if not hasattr(torch.distributed.fsdp, "fully_shard"):
        pytest.skip("torch.distributed.fsdp.fully_shard came with torch 2.6")
    torch.manual_seed(0)
    start = EngineToyModel().state_dict()
    cfg = config(tmp_path / "whole", max_iters=4, interval=2, batch_size=4)
    runner = Runner(**dict(cfg, experiment_name="whole"))
    runner.model.load_state_dict(copy.deepcopy(start))
    runner._init_model_weights = lambda: None
    runner.train()
    torch.multiprocessing.start_processes(
        shard_worker, (tmp_path, start), nprocs=2, start_method="fork"
    )
    for iteration in (2, 4):
        whole = load(tmp_path / f"whole/iter_{iteration}.pth")
        sharded = load(tmp_path / f"sharded/iter_{iteration}.pth")
        assert whole.keys() == sharded.keys()
        assert list(whole["state_dict"]) == list(sharded["state_dict"])
        assert whole["state_dict"]._metadata.keys() == sharded["state_dict"]._metadata.keys()
        assert whole["optimizer"]["param_groups"] == sharded["optimizer"]["param_groups"]
        assert whole["optimizer"]["state"].keys() == sharded["optimizer"]["state"].keys()
        for name, value in whole["state_dict"].items():
            # Two half batches are summed in another order: a rounding of float32 an iteration.
            assert torch.allclose(value, sharded["state_dict"][name], rtol=0, atol=1e-6), name
            assert type(sharded["state_dict"][name]) is torch.Tensor
        for number, state in whole["optimizer"]["state"].items():
            other = sharded["optimizer"]["state"][number]["momentum_buffer"]
            assert torch.allclose(state["momentum_buffer"], other, rtol=0, atol=1e-6)
    moved = (whole["state_dict"]["head.weight"] - start["head.weight"]).abs().max()
    assert moved > 1e-3, "a training that stands still would prove nothing"
    # Sharded anew from the file, the training comes to the very same numbers.
    resumed = load(tmp_path / "resumed/iter_4.pth")
    assert same(sharded["state_dict"], resumed["state_dict"])
    assert resumed["optimizer"]["state"].keys() == sharded["optimizer"]["state"].keys()
    for number, state in sharded["optimizer"]["state"].items():
        assert same(state, resumed["optimizer"]["state"][number])


def rank_worker(rank, folder):
    begin(rank, folder, "mean")
    model = nn.Linear(2, 1)
    if rank == 1:  # the other process has none yet
        model.weight.grad = torch.full((1, 2), 4.0)
    gradients = half_summed_gradients(model)
    assert list(gradients) == ["weight"]
    assert torch.equal(gradients["weight"], torch.full((1, 2), 2.0))
    dist.destroy_process_group()


def test_gradients_of_two_processes_are_averaged(tmp_path):
    torch.multiprocessing.start_processes(rank_worker, (tmp_path,), nprocs=2, start_method="fork")


def test_what_is_not_sharded_passes_through():
    content = dict(a=[torch.ones(2), (1, "x")], b=EngineToyModel().state_dict())
    assert not is_sharded(content)
    again = gather(content)
    assert again["a"][1] == (1, "x") and torch.equal(again["a"][0], torch.ones(2))
    assert again["b"]._metadata == content["b"]._metadata
