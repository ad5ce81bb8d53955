import json
import sys
import time

import pytest
import torch
from mini_run import ROOT
from mmengine.config import Config
from seg_toy import resnet18, segmentor, toy_config, write_imagenet_file

from mmasg.benchmark.hook_variants import hook_variants, without_hooks
from mmasg.benchmark.random_images import RandomImages, use_random_images
from mmasg.benchmark.step_benchmark import Variant, run_benchmark, summarize
from mmasg.benchmark.step_timer import StepTimer


@pytest.fixture
def config(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    policy = dict(type="LayerLRPolicyHook", mode="random", policy=None, window=2)
    return Config(
        toy_config(
            tmp_path / "run",
            segmentor(resnet18(file)),
            dict(loss_weight=1.0, eval_mode="all"),
            hooks=[policy],
            optim_wrapper=dict(
                optimizer=dict(type="SGD", lr=0.01),
                constructor="LayerGroupOptimWrapperConstructor",
                paramwise_cfg=dict(preset="resnet"),
            ),
        )
    )


def test_timer_counts_inner_parts_for_themselves_only():
    timer = StepTimer("cpu")
    with timer.part("outer"):
        time.sleep(0.02)
        with timer.part("inner"):
            time.sleep(0.05)
        time.sleep(0.01)
    # Sleeping takes at least what it was told; a busy machine makes it longer.
    assert timer.seconds["inner"] >= 0.05 and timer.seconds["outer"] >= 0.03


def test_timer_takes_another_clock():
    ticks = iter([0.0, 1.0, 3.5])
    timer = StepTimer("cpu", lambda: next(ticks))
    with timer.part("part"):
        pass
    assert timer.seconds == {"part": 1.0}


def test_timer_leaves_methods_and_modules_as_they_were():
    timer = StepTimer("cpu")
    box = type("Box", (), dict(method=lambda self, x: x + 1))()
    module = torch.nn.Linear(1, 1)
    module.register_forward_hook(lambda *_: time.sleep(0.02))
    with timer.method(box, "method", "wrapped"), timer.module(module, "forward", "its hooks"):
        assert box.method(1) == 2
        module(torch.zeros(1, 1))
    assert timer.seconds["wrapped"] > 0
    assert timer.seconds["its hooks"] >= 0.02 > timer.seconds["forward"] > 0
    counted = dict(timer.seconds)
    assert box.method(1) == 2 and "method" not in vars(box)
    module(torch.zeros(1, 1))
    assert timer.seconds == counted


def test_parts_can_be_taken_more_than_once(config):
    variant = Variant(config, "full", [])
    variant.warm_up(1)
    first, second = variant.parts(1), variant.parts(1)
    variant.end()
    assert set(first) == set(second)


def test_variants_leave_the_network_as_it_is(config):
    names = ["full", "without ImageNetConsistencyHook", "without LayerLRPolicyHook", "without all"]
    assert list(hook_variants(config)) == names
    changed = without_hooks(config, ["ImageNetConsistencyHook"])
    assert [h["type"] for h in changed.custom_hooks] == ["EvalModeHook", "LayerLRPolicyHook"]
    assert changed.custom_hooks[0]["mode"] == "all"
    assert config.custom_hooks[0]["type"] == "ImageNetConsistencyHook"


def test_benchmark_measures_each_variant(config):
    variants = hook_variants(config)
    result = run_benchmark(config, variants, rounds=2, steps=2, warm_up=1)
    assert list(result) == list(variants)
    for name, row in result.items():
        assert len(row["steps"]) == 4
        assert row["images_per_second"] == pytest.approx(2 / row["step"]["median"])
        assert ("teacher" in row["parts"]) == ("ImageNet" not in name and name != "without all")
        # random multipliers are decided every second iteration
        assert ("policy" in row["parts"]) == (name in ("full", "without ImageNetConsistencyHook"))
        # Its multipliers act within the optimizer's step, and are no part of the optimizer.
        assert ("rates" in row["parts"]) == ("policy" in row["parts"])
        for part in ("data", "student forward", "backward", "optimizer"):
            assert row["parts"][part] > 0
        assert ("saved" in row) == (name != "full")
    json.dumps(result)


def test_tool_prints_tables_and_writes_json(config, tmp_path, monkeypatch, capsys):
    import importlib.util

    spec = importlib.util.spec_from_file_location("benchmark", ROOT / "tools" / "benchmark.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    config.custom_hooks = config.custom_hooks[:1]
    config.train_dataloader.dataset.pipeline = [dict(type="mmseg.RandomCrop", crop_size=(32, 32))]
    path = tmp_path / "config.py"
    config.dump(path)
    out = tmp_path / "out.json"
    command = f"benchmark.py {path} --rounds 1 --steps 1 --warm-up 1 --random-images --no-memory"
    command += " --clock cpu"
    monkeypatch.setattr(sys, "argv", [*command.split(), "--json", str(out)])
    benchmark.main()
    text = capsys.readouterr().out
    assert "| full |" in text and "| teacher |" in text and "images: noise" in text
    assert "clock: cpu" in text
    content = json.loads(out.read_text())
    assert content["setting"]["batch_size"] == 2
    assert content["variants"]["full"]["parts"]["consistency loss"] > 0


def test_random_images(config):
    with pytest.raises(ValueError, match="--size HEIGHT WIDTH"):
        use_random_images(config, None)
    use_random_images(config, (32, 48))
    assert config.train_dataloader.dataset["num_classes"] == 3
    images = RandomImages((32, 48), "segmentation", 3)
    assert images[0]["inputs"].shape == (3, 32, 48)
    assert images[0]["data_samples"].gt_sem_seg.data.max() <= 2
    assert not torch.equal(images[0]["inputs"], images[1]["inputs"])
    labels = {
        int(RandomImages((8, 8), "classification", 3)[i]["data_samples"].gt_label)
        for i in range(20)
    }
    assert labels == {0, 1, 2}


def test_summary():
    assert summarize([3.0, 1.0, 2.0]) == dict(median=2.0, q25=1.5, q75=2.5, min=1.0)
