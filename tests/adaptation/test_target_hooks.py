"""What holds of every hook that trains on unlabelled target frames."""

import pytest
import torch
from seg_toy import build_runner, resnet18, segmentor, write_imagenet_file
from target_toy import config, hook, weights

from mmasg.adaptation.target_hook import TargetHook

HOOKS = ["MeanTeacherHook", "TargetEntropyHook", "DomainAdversarialHook"]
STATES = {"MeanTeacherHook": "mean_teacher", "DomainAdversarialHook": "domain_discriminator"}


@pytest.mark.parametrize(
    ("kind", "accumulate"), [(kind, 1) for kind in HOOKS] + [("MeanTeacherHook", 2)]
)
def test_a_resumed_run_goes_on_to_the_same_bits(tmp_path, kind, accumulate):
    wrapper = dict(optimizer=dict(type="SGD", lr=0.01), accumulative_counts=accumulate)
    options = dict(mean_teacher=hook(kind), optim_wrapper=wrapper)
    whole = build_runner(config(tmp_path / "whole", **options))
    whole.train()
    path = str(tmp_path / "whole" / "iter_2.pth")
    saved = torch.load(path, weights_only=False)
    assert STATES.get(kind, "state_dict") in saved
    assert set(saved["state_dict"]) == set(weights(whole))
    rest = build_runner(config(tmp_path / "rest", **options, load_from=path, resume=True))
    rest.train()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name
    ends = [torch.load(tmp_path / run / "iter_4.pth", weights_only=False) for run in
            ("whole", "rest")]  # fmt: skip
    if kind == "DomainAdversarialHook":
        states = [end[STATES[kind]]["weights"] for end in ends]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("kind", HOOKS)
def test_target_labels_are_never_looked_at(tmp_path, kind):
    ends = []
    for garbage in (False, True):
        made = hook(kind, dataset=dict(garbage=garbage))
        runner = build_runner(config(tmp_path / str(garbage), mean_teacher=made, max_iters=2))
        runner.train()
        ends.append(weights(runner))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    # Not a training without the target: the hook does something.
    plain = config(tmp_path / "plain", max_iters=2)
    plain["custom_hooks"] = [h for h in plain["custom_hooks"] if h["type"] != "MeanTeacherHook"]
    runner = build_runner(plain)
    runner.train()
    assert any(not torch.equal(ends[0][n], v) for n, v in weights(runner).items())


def test_a_test_needs_no_target(tmp_path):
    made = config(tmp_path, mean_teacher=hook(target=dict(dataset=dict(type="NoSuchDataset"))))
    loader = dict(made["train_dataloader"], sampler=dict(type="DefaultSampler", shuffle=False))
    made.update(
        test_dataloader=loader,
        test_cfg=dict(type="TestLoop"),
        test_evaluator=dict(type="mmseg.IoUMetric"),
    )
    assert "mIoU" in build_runner(made).test()


@pytest.mark.parametrize("on_target", [False, True])
def test_consistency_is_on_the_source_alone_or_on_both(tmp_path, on_target):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    consistency = dict(
        type="ImageNetConsistencyHook", loss_weight=0.5, target_frames=on_target, eval_mode="all"
    )
    made = config(
        tmp_path / "run", mean_teacher=hook("TargetEntropyHook"), max_iters=1, hooks=[consistency]
    )
    made["model"] = segmentor(resnet18(file))
    runner = build_runner(made)
    seen = []
    guide = next(h for h in runner.hooks if type(h).__name__ == "ImageNetConsistencyHook")
    target = next(h for h in runner.hooks if isinstance(h, TargetHook))
    guide.before_run = lambda runner, before=guide.before_run: (
        before(runner),
        guide.teacher.register_forward_hook(lambda m, args, out: seen.append(args[0].clone())),
    )
    frames = []
    target.frames = lambda model, of=target.frames: frames.append(of(model)) or frames[-1]
    runner.train()
    assert len(seen) == (2 if on_target else 1)
    assert not torch.equal(seen[0], frames[0])
    if on_target:
        assert torch.equal(seen[1], frames[0])


def test_errors():
    from mmasg.adaptation import DomainAdversarialHook, TargetEntropyHook

    with pytest.raises(ValueError, match="TargetEntropyHook.loss_weight: got 0"):
        TargetEntropyHook(target={}, loss_weight=0)
    with pytest.raises(ValueError, match="DomainAdversarialHook.channels: got 0"):
        DomainAdversarialHook(target={}, channels=0)
    with pytest.raises(ValueError, match="DomainAdversarialHook.lr: got -1"):
        DomainAdversarialHook(target={}, lr=-1)
