import pytest
import torch
from mmcv.cnn.bricks.drop import DropPath
from mmengine.hooks import Hook
from seg_toy import (
    build_runner,
    fcn_head,
    log_text,
    resnet18,
    segmentor,
    toy_config,
    write_imagenet_file,
)
from torch import nn

from mmasg.consistency.eval_mode import EvalMode, EvalModeHook, is_dropout, new_batch_norms


class Net(nn.Module):
    def __init__(self, head_norm=True):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), DropPath(0.5), nn.Dropout2d(0.5)
        )
        norm = nn.SyncBatchNorm(4) if head_norm else nn.GroupNorm(2, 4)
        self.head = nn.Sequential(nn.Conv2d(4, 4, 1), norm, nn.Dropout(0.1))

    def modes(self):
        return {name: m.training for name, m in self.named_modules() if name}


def test_pretrained():
    net = Net()
    mode = EvalMode(net, "pretrained")
    for _ in range(2):  # as often as the loop calls train()
        net.train()
        mode.apply()
        assert net.modes() == {
            "backbone": True,
            "backbone.0": True,
            "backbone.1": False,  # the ImageNet BatchNorm
            "backbone.2": False,  # stochastic depth
            "backbone.3": False,
            "head": True,
            "head.0": True,
            "head.1": True,  # a new BatchNorm trains
            "head.2": False,
        }
    # Eval mode holds the statistics, the weights train.
    assert net.backbone[1].weight.requires_grad


def test_pretrained_counts_what_the_file_fills():
    net = Net()
    net.backbone.append(nn.BatchNorm2d(4))
    filled = {"0.weight", "1.weight", "1.running_mean"}
    assert new_batch_norms(net, "backbone", filled) == ["backbone.4", "head.1"]
    EvalMode(net, "pretrained", pretrained=filled).apply()
    assert not net.backbone[1].training and net.backbone[4].training


def test_a_name_that_only_begins_alike_is_another_module():
    net = Net()
    net.backbone2 = nn.BatchNorm2d(2)
    assert new_batch_norms(net, "backbone") == ["head.1", "backbone2"]
    assert new_batch_norms(net, "") == []


def test_none_changes_nothing():
    net = Net()
    EvalMode(net, None).apply()
    assert all(net.modes().values())


def test_all():
    net = Net()
    mode = EvalMode(net, "all")
    mode.apply()
    assert not any(net.modes().values())
    net.train()
    mode.apply()
    assert not any(net.modes().values())


def test_kinds_of_randomness():
    for module in (nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout(), DropPath(),
                   nn.MultiheadAttention(4, 2, dropout=0.1)):  # fmt: skip
        assert is_dropout(module)
    assert not is_dropout(nn.BatchNorm2d(1)) and not is_dropout(nn.Linear(1, 1))


class Watch(Hook):
    priority = "VERY_LOW"

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        model = runner.model
        self.seen.append(
            (
                model.backbone.bn1.training,
                model.backbone.layer4[1].bn2.training,
                model.decode_head.convs[0].bn.training,
                model.decode_head.dropout.training,
            )
        )


def run(tmp_path, model, hook):
    runner = build_runner(toy_config(tmp_path, model, hooks=[hook]))
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    return runner, watch.seen


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("pretrained", (False, False, True, False)),
        ("all", (False, False, False, False)),
        (None, (True, True, True, True)),
    ],
)
@pytest.mark.parametrize("ours", ["EvalModeHook", "ImageNetConsistencyHook"])
def test_in_a_run(tmp_path, mode, expected, ours):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    option = "mode" if ours == "EvalModeHook" else "eval_mode"
    runner, seen = run(tmp_path / "run", segmentor(resnet18(file)), {"type": ours, option: mode})
    assert seen == [expected] * 2
    start = torch.load(file)["bn1.running_mean"]
    assert torch.equal(runner.model.backbone.bn1.running_mean, start) == (mode is not None)
    moved = runner.model.decode_head.convs[0].bn.running_mean.any()
    assert bool(moved) == (mode != "all")
    warned = "eval_mode='all' freezes 1 BatchNorm layer(s) that no ImageNet weights fill at mean 0"
    assert (warned in log_text(runner)) == (mode == "all")
    assert ("variance 1: decode_head.convs.0.bn. Use eval_mode='pretr" in log_text(runner)) == (
        mode == "all"
    )


def test_all_does_not_warn_without_new_norms(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    head = fcn_head()
    head["norm_cfg"] = dict(type="GN", num_groups=2)
    model = segmentor(resnet18(file), head)
    hook = dict(type="EvalModeHook", mode="all")
    runner = build_runner(toy_config(tmp_path / "run", model, hooks=[hook]))
    runner.train()
    assert "BatchNorm layer(s)" not in log_text(runner)


def test_baseline_hook_finds_the_nested_backbone_as_consistency_does():
    """In a BiSeNet the BatchNorms around the ImageNet network are new: they train."""
    net = nn.Module()
    net.backbone = nn.Module()
    net.backbone.inner = nn.Sequential(nn.BatchNorm2d(2))
    net.backbone.inner.init_cfg = dict(type="Pretrained", checkpoint="a.pth")
    net.backbone.around = nn.BatchNorm2d(2)
    hook = EvalModeHook()
    hook.before_train(type("Runner", (), dict(model=net)))
    hook.before_train_iter(None, 0)
    assert not net.backbone.inner[0].training
    assert net.backbone.around.training


def test_errors():
    with pytest.raises(ValueError, match="EvalModeHook.mode: got 'train', allowed are 'all'"):
        EvalModeHook("train")
    runner = type("Runner", (), dict(model=Net()))
    with pytest.raises(ValueError, match=r"student_module: the model Net has no module 'encoder'; "
                       r"it has backbone, head, backbone\.0"):  # fmt: skip
        EvalModeHook(student_module="encoder").before_train(runner)
