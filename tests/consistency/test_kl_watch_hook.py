import json
from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.registry import METRICS
from seg_toy import build_runner, log_text, resnet18, segmentor, toy_config, write_imagenet_file

from mmasg.consistency import (
    ImageNetConsistencyHook,
    ProgressLogProcessor,
    kl_watch,
    kl_watch_hook,
)
from mmasg.consistency.kl_watch_hook import RISING, KLWatchHook


class Guide:
    """What the watch needs of a consistency hook."""

    teacher = None
    losses = [
        SimpleNamespace(log_name="contrast", needs="features", zero_at_start=False),
        SimpleNamespace(log_name="kl_imagenet", needs="predictions"),
    ]

    def __init__(self, loss_weight=0.3):
        self.weights = [1.0, loss_weight]


def following(guide, **options):
    hook = KLWatchHook(**options)
    hook.follow(guide)
    return hook


def drive(values, guide=None, share=0.2, hook=None, caplog=None, name="drive"):
    """Drive the hook along a curve; warnings by iteration."""
    warnings = []
    logger = SimpleNamespace(warning=lambda text: warnings.append((runner.iter, text)))
    wrapper = SimpleNamespace(get_lr=lambda: dict(lr=[0.1, 0.01]))
    hub = MessageHub.get_instance(name)
    runner = SimpleNamespace(
        iter=0, max_iters=len(values), optim_wrapper=wrapper, message_hub=hub, logger=logger
    )
    hook = hook or following(guide or Guide())
    hook.before_train(runner)
    for runner.iter, value in enumerate(values):
        outputs = dict(kl_imagenet=torch.tensor(value), loss=1.0, loss_imagenet=share)
        hook.after_train_iter(runner, 0, None, outputs)
    return warnings, hook, runner


RUNAWAY = [0.1] * 300 + [0.1 + 0.01 * t for t in range(200)]


def test_a_rise_is_told_once_with_what_to_try():
    ((at, text),), hook, runner = drive(RUNAWAY)
    assert 300 < at < 450 and f"at iteration {at + 1} kl_imagenet still rises (0.1 in" in text
    assert "loss_weight=0.3" in text and "20% of the objective" in text
    assert "backbone's rate is probably too high (a larger weight would make it worse)" in text
    for remedy in ("RelativeStepHook", "paramwise_cfg.lr_mult", "smaller loss_weight"):
        assert remedy in text
    assert runner.message_hub.get_info(RISING) and hook.warned == ["rises"]


def test_a_weight_that_rules_the_objective_is_named_first():
    ((_, text),), _, _ = drive(RUNAWAY, share=0.8)
    assert "80% of the objective, so its weight is probably so large that a step over" in text


@pytest.mark.parametrize("values", [[0.2] * 500, RUNAWAY[::-1]])
def test_silent_on_a_level_and_a_fall(values):
    warnings, _, runner = drive(values)
    assert not warnings and not runner.message_hub.get_info(RISING)


def test_a_baseline_is_not_warned_of():
    warnings, _, runner = drive(RUNAWAY, Guide(loss_weight=0))
    assert not warnings and runner.message_hub.get_info(RISING)


def test_too_high_is_a_cause_of_its_own():
    hook = following(Guide())
    hook._guide.teacher = torch.nn.Identity()  # gives what the real one returns
    confident = SimpleNamespace(logits=torch.tensor([[9.0, 0.0], [0.0, 9.0]]).repeat(50, 1))
    before = hook.before_train

    def before_train(runner):
        before(runner)
        hook._guide.teacher(confident)

    hook.before_train = before_train
    warnings, _, _ = drive([2 * v for v in RUNAWAY[:300]] + [1.5] * 200, hook=hook)
    assert len(warnings) == 2 and sorted(hook.warned) == ["rises", "too high"]
    text = next(text for _, text in warnings if "stays at" in text)
    assert "kl_imagenet stays at 1.5, above 0.69" in text and "RelativeStepHook" in text


def baseline(folder, values, interval=10):
    """A run's log of single batches."""
    (folder / "1/vis_data").mkdir(parents=True)
    lines = [
        json.dumps(dict(loss=1.0, kl_imagenet=value, step=step))
        for step, value in enumerate(values, 1)
        if step % interval == 0
    ]
    (folder / "1/vis_data/scalars.json").write_text("\n".join(lines) + "\n")
    return str(folder)


@pytest.mark.parametrize(("level", "warns"), [(0.19, False), (0.22, False), (0.28, True)])
def test_above_what_the_baseline_had(tmp_path, level, warns):
    """With SGD at a hand-set rate a weight of 0.03 gave 0.19, one of 0.3 gave 0.28."""
    folder = baseline(tmp_path, [0.19] * 500)
    warnings, hook, _ = drive([level] * 500, hook=following(Guide(), baseline=folder))
    assert bool(warnings) == warns
    if warns:
        ((at, text),) = warnings
        assert at == 99, "ten windows of ten"
        assert f"is at 0.28, and was at 0.19 in the baseline '{tmp_path}'" in text
        assert "RelativeStepHook" in text and hook.warned == ["baseline"]


def test_a_baseline_that_is_shorter_says_nothing_beyond_its_end(tmp_path):
    hook = following(Guide(), baseline=baseline(tmp_path, [0.1] * 120))
    values = [0.1] * 200 + [0.14] * 300
    assert not drive(values, hook=hook)[0]


def test_what_was_warned_of_survives_a_resume():
    _, hook, runner = drive(RUNAWAY)
    checkpoint = {}
    hook.before_save_checkpoint(runner, checkpoint)
    resumed = following(Guide())
    resumed.after_load_checkpoint(runner, checkpoint)
    runner.iter = 500
    resumed.before_train(runner)
    assert resumed.warned == ["rises"] and resumed.watch.levels == hook.watch.levels
    # A new run from those weights begins anew.
    fresh = following(Guide())
    fresh.after_load_checkpoint(runner, checkpoint)
    runner.iter = 0
    fresh.before_train(runner)
    assert fresh.warned == [] and fresh.watch.levels == []


@METRICS.register_module()
class FixedIoU(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return dict(aAcc=80.0, mIoU=34.567)


def test_in_a_run_it_warns_and_the_line_says_how_good_the_model_is(tmp_path, monkeypatch):
    # Windows of one iteration, so that a handful shows the rule at work.
    monkeypatch.setattr(kl_watch, "SHORTEST_WINDOW", 1)
    monkeypatch.setattr(kl_watch, "WINDOWS_FOR_A_RISE", 6)
    monkeypatch.setattr(kl_watch_hook, "LEAST_NATS", 0.0)
    imagenet = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dict(type="SegToyDataset", length=1),
    )
    checkpoints = dict(type="CheckpointHook", by_epoch=False, interval=4, save_last=False)
    config = toy_config(
        tmp_path / "run",
        segmentor(resnet18(imagenet)),
        dict(loss_weight=1e-6),  # on, and too little to hold anything
        max_iters=8,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=8, val_interval=4),
        val_cfg=dict(type="ValLoop"),
        val_dataloader=loader,
        val_evaluator=dict(type="FixedIoU"),
        log_processor=dict(type="ProgressLogProcessor", by_epoch=False),
    )
    config["default_hooks"]["checkpoint"] = checkpoints
    runner = build_runner(config)
    runner.train()
    assert isinstance(runner.log_processor, ProgressLogProcessor)
    hooks = [h for h in runner.hooks if isinstance(h, KLWatchHook)]
    guide = next(h for h in runner.hooks if isinstance(h, ImageNetConsistencyHook))
    assert [h._guide for h in hooks] == [guide] and len(hooks[0].watch.levels) == 8
    assert hooks[0].watch.constant_kl is None and hooks[0].watch._mean["images"] == 16
    assert not guide.teacher._forward_hooks, "detached"
    text = log_text(runner)
    lines = [line for line in text.splitlines() if "Iter(train)" in line]
    assert not any("so far" in line for line in lines[:4])
    assert all(line.endswith("mIoU so far: 34.57 (at iteration 4)") for line in lines[4:])
    assert all("eta: " in line for line in lines)
    levels = hooks[0].watch.levels
    # From 0 by the same steps: it rises all along.
    assert "kl_imagenet still rises" in text and text.count("still rises") == 1, levels
    assert hooks[0].warned == ["rises"]
    rises = [i for i in range(6, 9) if kl_watch.goes_up(levels[i - 6 : i])]
    arrows = [i + 1 for i, line in enumerate(lines) if "kl_imagenet \u2191 " in line]
    assert arrows == rises
    saved = torch.load(tmp_path / "run/iter_4.pth", weights_only=False)
    assert saved["imagenet_distance_watch"]["watch"]["levels"] == levels[:4]
