import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from seg_toy import build_runner, fcn_head, resnet18, segmentor
from target_toy import config, hook, weights

from mmasg.adaptation import MeanTeacherHook


def test_the_loss_equals_one_computed_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr("mmasg.adaptation.mean_teacher_hook.strong_augmentation", lambda x: x)
    made = config(tmp_path, mean_teacher=hook(threshold=0.4, loss_weight=0.5), max_iters=1)
    made["model"] = segmentor(resnet18(), fcn_head(dropout_ratio=0.0))
    runner = build_runner(made)
    mean_teacher = next(h for h in runner.hooks if isinstance(h, MeanTeacherHook))
    seen = {}
    # In place of a draw.
    monkeypatch.setattr("mmasg.adaptation.mean_teacher_hook.mix_mask", lambda label: label % 2 == 0)

    class Witness(Hook):
        priority = "LOW"

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen["source"] = copy.deepcopy(data_batch)
            seen["target"] = copy.deepcopy(mean_teacher._target)
            seen["state"] = weights(runner)

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            seen["outputs"] = {k: float(v) for k, v in outputs.items()}

    runner.register_hook(Witness())
    runner.train()

    model = MODELS.build(copy.deepcopy(runner.cfg.model))
    model.load_state_dict(seen["state"])
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)

    def normal(images):
        return torch.stack([(x.flip(0).float() - mean) / std for x in images])

    model.eval()
    with torch.no_grad():
        up = F.interpolate(model(normal(seen["target"]["inputs"])), size=(32, 32), mode="bilinear")
        confidence, pseudo = up.softmax(1).max(1)
    model.train()
    images, truths, factors, shares = [], [], [], []
    for i in range(2):
        label = seen["source"]["data_samples"][i].gt_sem_seg.data[0]
        mask = label % 2 == 0
        images.append(torch.where(mask, seen["source"]["inputs"][i], seen["target"]["inputs"][i]))
        truths.append(torch.where(mask, label, pseudo[i]))
        share = (confidence[i] > 0.4).float().mean()
        shares.append(float(share))
        factors.append(torch.where(mask, torch.tensor(1.0), share))
    assert seen["outputs"]["target_confidence"] == pytest.approx(sum(shares) / 2)
    assert 0 < sum(shares) < 2
    truth = torch.stack(truths)
    logits = F.interpolate(model(normal(images)), size=(32, 32), mode="bilinear")
    each = F.cross_entropy(logits, truth, ignore_index=255, reduction="none")
    expected = 0.5 * (each * torch.stack(factors)).sum() / (truth != 255).sum()
    # The run folds nothing and sums in the same order: float32 rounding alone.
    assert seen["outputs"]["loss_mix"] == pytest.approx(float(expected), rel=1e-5)


def test_teacher_follows_and_stays_out_of_the_model(tmp_path):
    made = config(tmp_path, mean_teacher=hook(momentum=0.5), max_iters=1)
    made["default_hooks"]["checkpoint"]["interval"] = 1
    runner = build_runner(made)
    before = {}
    mean_teacher = next(h for h in runner.hooks if isinstance(h, MeanTeacherHook))
    names = set(runner.model.state_dict())
    original = mean_teacher.before_train

    def before_train(runner):
        original(runner)
        before.update(weights(runner))

    mean_teacher.before_train = before_train
    runner.train()
    assert set(runner.model.state_dict()) == names
    after = runner.model.state_dict()
    for name, value in mean_teacher.teacher.module.named_parameters():
        # The second of the averages: (first + second) / 2.
        expected = (before[name] + after[name]) / 2
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)
        assert not value.requires_grad
    saved = torch.load(tmp_path / "iter_1.pth", weights_only=False)
    assert set(saved["state_dict"]) == names and "mean_teacher" in saved


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="MeanTeacherHook.momentum: got 1.0"):
        MeanTeacherHook(target={}, momentum=1.0)
    with pytest.raises(ValueError, match="MeanTeacherHook.loss_weight: got 0"):
        MeanTeacherHook(target={}, loss_weight=0)
    runner = build_runner(config(tmp_path / "a", mean_teacher=dict(hook(), target={})))
    with pytest.raises(TypeError, match="MeanTeacherHook.target: got {}; allowed: dict"):
        runner.train()
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
    labelled = hook(dataset=dict(pipeline=pipeline))
    runner = build_runner(config(tmp_path / "b", mean_teacher=labelled))
    with pytest.raises(ValueError, match=r"pipeline\[1\]: LoadAnnotations reads the target's"):
        runner.train()
    other = hook(dataset=dict(metainfo=dict(classes=("a", "b", "d"))))
    runner = build_runner(config(tmp_path / "c", mean_teacher=other))
    with pytest.raises(ValueError, match="classes are not the source's.*only here: d"):
        runner.train()
    empty = hook(dataset=dict(length=0))
    runner = build_runner(config(tmp_path / "d", mean_teacher=empty))
    with pytest.raises(ValueError, match="MeanTeacherHook.target.dataset: it has no frame"):
        runner.train()
    large = hook(dataset=dict(size=(64, 32)))
    runner = build_runner(config(tmp_path / "e", mean_teacher=large))
    with pytest.raises(ValueError, match=r"frames are \(64, 32\).*the source's \(32, 32\)"):
        runner.train()
