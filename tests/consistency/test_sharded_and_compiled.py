"""The consistency loss on a model that torch shards over processes, or compiles."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from seg_toy import (
    build_runner,
    fcn_head,
    resnet18,
    segmentor,
    toy_config,
    train,
    write_imagenet_file,
)

HEAD = dict(norm_cfg=dict(type="GN", num_groups=2), dropout_ratio=0.0)


def config(tmp_path, file, batch_size, iterations=3):
    head = {**fcn_head(), **HEAD}
    cfg = toy_config(
        tmp_path / "run",
        segmentor(resnet18(file), head),
        dict(loss_weight=1.0),
        max_iters=iterations,
        batch_size=batch_size,
    )
    cfg["train_dataloader"]["sampler"] = dict(type="KeyedInfiniteSampler", shuffle=False)
    cfg["default_hooks"]["checkpoint"] = dict(type="CheckpointHook", interval=-1, save_last=False)
    cfg["optim_wrapper"]["optimizer"]["lr"] = 0.01
    return cfg


def kl_of(runner):
    return float(runner.message_hub.get_scalar("train/kl_imagenet").current())


def shard_worker(rank, tmp_path, file, start):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=rank, world_size=2
    )
    from torch.distributed.fsdp import fully_shard

    runner = build_runner(config(tmp_path, file, batch_size=2))
    runner._init_model_weights()
    runner.model.load_state_dict(start)
    fully_shard(runner.model.backbone)
    fully_shard(runner.model)
    runner._init_model_weights = lambda: None
    runner.train()
    weights = {name: p.full_tensor().detach() for name, p in runner.model.named_parameters()}
    if rank == 0:
        torch.save(dict(weights=weights, kl=kl_of(runner)), tmp_path / "sharded.pth")
    dist.destroy_process_group()


@pytest.mark.slow
def test_fully_shard_gives_the_weights_of_one_process(tmp_path):
    pytest.importorskip("torch.distributed.fsdp", reason="needs torch.distributed")
    if not hasattr(torch.distributed.fsdp, "fully_shard"):
        pytest.skip("torch.distributed.fsdp.fully_shard came with torch 2.6")
    file = write_imagenet_file(tmp_path / "imagenet.pth", resnet18())
    runner = build_runner(config(tmp_path, file, batch_size=4))
    runner._init_model_weights()
    start = copy.deepcopy(runner.model.state_dict())
    runner._init_model_weights = lambda: None
    runner.train()
    torch.multiprocessing.start_processes(
        shard_worker, (tmp_path, file, start), nprocs=2, start_method="fork"
    )
    sharded = torch.load(tmp_path / "sharded.pth", weights_only=True)
    expected = dict(runner.model.named_parameters())
    assert sharded["weights"].keys() == expected.keys()
    # Sums over the batch in another order: a few float32 roundings. The labels that the loss
    # ignores are as many in each image, so means over ranks are means over the batch.
    for name, value in sharded["weights"].items():
        assert torch.allclose(value, expected[name], atol=1e-5), name
    assert any((v - start[k]).abs().max() > 1e-3 for k, v in sharded["weights"].items())
    assert sharded["kl"] > 1e-6


def compile_backbone(runner):
    runner.model.backbone.compile(backend="eager")


def compile_step(runner):
    runner.cfg.compile = dict(backend="eager")


@pytest.mark.slow
@pytest.mark.parametrize("how", [compile_backbone, compile_step])
def test_compiled_student_gives_the_same_losses(tmp_path, how):
    # The eager backend traces as every backend does, and needs no C++ compiler.
    file = write_imagenet_file(tmp_path / "imagenet.pth", resnet18())
    # With the layer groups: the optimizer's step is traced, too.
    groups = dict(
        constructor="LayerGroupOptimWrapperConstructor", paramwise_cfg=dict(preset="resnet")
    )
    plain, compiled = (config(tmp_path / name, file, batch_size=2) for name in "ab")
    for cfg in (plain, compiled):
        cfg["optim_wrapper"].update(groups)
    _, recorder = train(plain)
    runner = build_runner(compiled)
    how(runner)
    log = []
    original = runner.call_hook

    def call_hook(name, **kwargs):
        if name == "after_train_iter":
            log.append({k: float(v) for k, v in kwargs["outputs"].items()})
        original(name, **kwargs)

    runner.call_hook = call_hook
    runner.train()
    assert [row.keys() for row in log] == [row.keys() for row in recorder.log]
    for row, expected in zip(log, recorder.log, strict=True):
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert log[-1]["kl_imagenet"] > 1e-6


@pytest.mark.slow
def test_compiled_teacher_gives_the_same_losses(tmp_path):
    file = write_imagenet_file(tmp_path / "imagenet.pth", resnet18())
    _, plain = train(config(tmp_path / "a", file, batch_size=2))
    compiled = config(tmp_path / "b", file, batch_size=2)
    compiled["custom_hooks"][0]["compile_teacher"] = dict(backend="eager")
    runner, recorder = train(compiled)
    hook = next(h for h in runner.hooks if type(h).__name__ == "ImageNetConsistencyHook")
    assert hook.teacher.backbone._compiled_call_impl is not None
    assert len(recorder.log) == len(plain.log) == 3
    for row, expected in zip(recorder.log, plain.log, strict=True):
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_teacher_that_cannot_be_compiled_says_so(tmp_path):
    file = write_imagenet_file(tmp_path / "imagenet.pth", resnet18())
    broken = config(tmp_path, file, batch_size=2)
    broken["custom_hooks"][0]["compile_teacher"] = dict(backend="no_such_backend")
    message = r"compile_teacher: .*no_such_backend.*Remove compile_teacher"
    with pytest.raises(RuntimeError, match=message):
        train(broken)
