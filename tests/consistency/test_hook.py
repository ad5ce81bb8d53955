import copy
import math
from contextlib import contextmanager

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS
from mmengine.runner import load_checkpoint
from mmseg.models.segmentors import EncoderDecoder
from seg_toy import (
    assert_same_gradients,
    build_runner,
    fcn_head,
    gradients_by_hand,
    log_text,
    random_state,
    resnet18,
    segmentor,
    toy_config,
    train,
    write_imagenet_file,
)

from mmasg.consistency import ImageNetConsistencyHook
from mmasg.consistency.teacher import build_teacher

W = 2.0
#: Float32 rounding through ResNet-18 forth and back; a wrong weight or mode shows at 1e-2.
GRADIENT_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    return write_imagenet_file(tmp_path_factory.mktemp("imagenet") / "r18.pth", resnet18())


def consistency_hook(runner):
    return next(h for h in runner.hooks if isinstance(h, ImageNetConsistencyHook))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradient_is_that_of_task_and_weighted_kl(tmp_path, imagenet, accumulate):
    model = segmentor(resnet18(imagenet))
    config = toy_config(
        tmp_path,
        model,
        dict(loss_weight=W),
        max_iters=4,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01), accumulative_counts=accumulate),
    )
    # Iteration 3 accumulates nothing before it where every iteration steps.
    runner, seen = train(config, at=3)
    expected, kl = gradients_by_hand(model, seen, torch.load(imagenet), W)
    assert kl > 1e-4
    assert seen.log[3]["kl_imagenet"] == pytest.approx(kl, rel=1e-4)
    assert seen.log[3]["loss_imagenet"] == pytest.approx(W * kl, rel=1e-4)
    assert seen.log[3]["loss"] == pytest.approx(
        seen.log[3]["decode.loss_ce"] + seen.log[3]["loss_imagenet"], rel=1e-5
    )
    if accumulate == 1:
        assert_same_gradients(seen.gradients, expected, "backbone", GRADIENT_TOLERANCE)
        assert_same_gradients(seen.gradients, expected, "decode_head", GRADIENT_TOLERANCE)


def test_gradient_accumulation_is_the_mean_of_its_batches(tmp_path, imagenet):
    """Two batches of one step, at the same weights: the mean of their gradients by hand."""
    model = segmentor(resnet18(imagenet), fcn_head())
    model["decode_head"]["norm_cfg"] = None  # its running statistics would move in between
    start = tmp_path / "start.pth"
    state = random_state(model["backbone"], seed=9)
    torch.save({f"backbone.{k}": v for k, v in state.items()}, start)
    config = toy_config(
        tmp_path / "both",
        model,
        dict(loss_weight=W),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01), accumulative_counts=2),
        load_from=str(start),
    )
    _, seen = train(config, at=1)
    file = torch.load(imagenet)
    second, _ = gradients_by_hand(model, seen, file, W)
    config["optim_wrapper"]["accumulative_counts"] = 1
    config.update(work_dir=str(tmp_path / "first"), train_cfg=dict(by_epoch=False, max_iters=1))
    _, alone = train(config, at=0)
    for name, value in alone.state.items():
        assert torch.equal(value, seen.state[name])
    first, _ = gradients_by_hand(model, alone, file, W)
    mean = {n: (first[n] + second[n]) / 2 for n in first if n.startswith("backbone.")}
    assert_same_gradients(seen.gradients, mean, "backbone", GRADIENT_TOLERANCE)


def test_starts_at_zero_and_says_so(tmp_path, imagenet):
    runner, seen = train(toy_config(tmp_path, segmentor(resnet18(imagenet)), dict(loss_weight=W)))
    assert seen.log[0]["kl_imagenet"] <= 1e-6
    assert seen.log[1]["kl_imagenet"] > 1e-6
    text = log_text(runner)
    assert "student and teacher agree (kl_imagenet " in text
    assert "loss_imagenet: " in text and "kl_imagenet: " in text
    scalars = runner.message_hub.log_scalars
    assert scalars["train/kl_imagenet"].current() == pytest.approx(seen.log[1]["kl_imagenet"])
    assert scalars["train/loss_imagenet"].current() == pytest.approx(seen.log[1]["loss_imagenet"])


def test_warns_with_the_value_where_the_student_starts_elsewhere(tmp_path, imagenet):
    config = toy_config(tmp_path, segmentor(resnet18()), dict(teacher=imagenet), max_iters=1)
    runner, seen = train(config)
    kl = seen.log[0]["kl_imagenet"]
    assert kl > 1e-3
    text = log_text(runner)
    assert "WARNING - ImageNetConsistencyHook: at the first iteration" in text
    assert f"kl_imagenet is {kl:.3g} and not 0: student 'backbone' and teacher are not" in text
    assert "student and teacher agree" not in text


def same_predictions(teacher, imagenet):
    """Whether a teacher still predicts, bit for bit, what a new one does."""
    new = build_teacher(MODELS.build(resnet18(imagenet)))
    images = torch.randn(2, 3, 48, 48)
    return torch.equal(teacher(images).logits, new(images).logits)


def test_start_is_not_checked_on_load_from(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    other = {f"backbone.{k}": v for k, v in random_state(resnet18(), seed=5).items()}
    torch.save(other, tmp_path / "other.pth")
    config = toy_config(tmp_path, model, dict(), max_iters=1, load_from=str(tmp_path / "other.pth"))
    runner, seen = train(config)
    assert seen.log[0]["kl_imagenet"] > 1e-3
    assert "at the first iteration" not in log_text(runner)
    # The teacher is ImageNet's all the same.
    assert same_predictions(consistency_hook(runner).teacher, imagenet)


def test_resumed_run_gives_the_numbers_of_the_uninterrupted_one(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    hooks = dict(
        checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
        logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    )
    whole = toy_config(tmp_path / "a", model, dict(), max_iters=4, default_hooks=hooks)
    _, uninterrupted = train(whole)
    half = toy_config(tmp_path / "b", model, dict(), max_iters=2, default_hooks=hooks)
    train(half)
    rest = toy_config(tmp_path / "b", model, dict(), max_iters=4, default_hooks=hooks, resume=True)
    runner, resumed = train(rest)
    assert len(resumed.log) == 2
    assert resumed.log == uninterrupted.log[2:]
    assert "at the first iteration" not in log_text(runner)


def test_teacher_stays_out_of_checkpoint_optimizer_and_averages(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    plain, _ = train(toy_config(tmp_path / "plain", model, max_iters=1))
    config = toy_config(
        tmp_path / "ours",
        model,
        dict(),
        max_iters=3,
        hooks=[dict(type="EMAHook")],
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=3)),
    )
    runner, _ = train(config)
    saved = torch.load(tmp_path / "ours/iter_3.pth", weights_only=False)
    assert set(saved["state_dict"]) == set(plain.model.state_dict())
    averaged = {k for k in saved["ema_state_dict"] if k != "steps"}
    assert averaged == {f"module.{k}" for k in plain.model.state_dict()}
    count = sum(len(g["params"]) for g in runner.optim_wrapper.optimizer.param_groups)
    assert count == len(list(runner.model.parameters()))
    assert set(runner.model.state_dict()) == set(plain.model.state_dict())
    # Detached after the run, and the averaged copy never had hooks of ours.
    ema = next(h for h in runner.hooks if type(h).__name__ == "EMAHook")
    for module in (runner.model, ema.ema_model.module):
        assert not module._forward_hooks and not module.backbone._forward_hooks
    # The teacher: untouched, frozen, in eval mode.
    teacher = consistency_hook(runner).teacher
    assert same_predictions(teacher, imagenet)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not any(m.training for m in teacher.backbone.modules())


def test_cap_scales_the_gradient_by_a_constant(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    cap = 1e-3
    options = dict(loss_weight=50.0, max_weighted_loss=cap)
    _, seen = train(toy_config(tmp_path, model, options, max_iters=3), at=2)
    kl = seen.log[2]["kl_imagenet"]
    assert 50 * kl > 10 * cap
    assert seen.log[0]["loss_imagenet"] == pytest.approx(50 * seen.log[0]["kl_imagenet"])
    assert seen.log[2]["loss_imagenet"] == pytest.approx(cap, rel=1e-5)
    # (cap / KL) as a constant: the gradient of task + (cap / kl) * KL, not of task alone.
    expected, _ = gradients_by_hand(model, seen, torch.load(imagenet), cap / kl)
    assert_same_gradients(seen.gradients, expected, "backbone", GRADIENT_TOLERANCE)


@pytest.mark.parametrize(
    ("kl", "weight"), [(0.05, 75.0), (0.12, 75.0), (0.125, 72.0), (0.9, 10.0), (0.0, 75.0)]
)
def test_weight_of_the_paper(kl, weight):
    hook = ImageNetConsistencyHook(loss_weight=75, max_weighted_loss=9)
    raw = torch.tensor(kl, requires_grad=True)
    loss = hook._weight(raw.detach()) * raw
    loss.backward()
    assert float(raw.grad) == pytest.approx(weight, rel=1e-6)
    assert float(loss) == pytest.approx(min(75 * kl, 9), rel=1e-6)


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Runs the training's forward under autocast on a CPU, as AmpOptimWrapper does on a GPU."""

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), torch.autocast("cpu", dtype=torch.bfloat16):
            yield


def test_bfloat16_autocast(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    config = toy_config(tmp_path, model, dict(loss_weight=W), max_iters=5)
    config["optim_wrapper"]["type"] = "Bfloat16OptimWrapper"
    dtypes = []
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda m, _, out: dtypes.append(out.dtype) if isinstance(m, torch.nn.Conv2d) else None
    )
    runner, seen = train(config, at=4)
    handle.remove()
    # Student and teacher alike, but for the two runs in which the teacher's layers are folded.
    convolutions = sum(isinstance(m, torch.nn.Conv2d) for m in runner.model.backbone.modules())
    assert dtypes.count(torch.float32) == 2 * convolutions
    assert dtypes.count(torch.bfloat16) >= 5 * 2 * convolutions
    # Same network in the same precision, but the teacher's folded layers round elsewhere: 3e-5.
    assert seen.log[0]["kl_imagenet"] <= 2e-4
    assert "student and teacher agree" in log_text(runner)
    assert all(math.isfinite(v) for row in seen.log for v in row.values())
    # At the same weights float32 finds about the same: bfloat16 has 8 bits, and both networks'
    # logits are rounded to them before the (float32) KL is taken.
    expected, kl = gradients_by_hand(model, seen, torch.load(imagenet), W)
    assert seen.log[4]["kl_imagenet"] == pytest.approx(kl, rel=0.5)
    names = [n for n in expected if n.startswith("backbone.")]
    ours, theirs = (torch.cat([g[n].flatten() for n in names]) for g in (seen.gradients, expected))
    assert ours.dtype == torch.float32
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.8


@pytest.mark.gpu
def test_amp_on_a_gpu(tmp_path, imagenet):
    config = toy_config(
        tmp_path,
        segmentor(resnet18(imagenet)),
        dict(loss_weight=W),
        max_iters=5,
        optim_wrapper=dict(
            type="AmpOptimWrapper", optimizer=dict(type="SGD", lr=0.01), loss_scale="dynamic"
        ),
    )
    runner, seen = train(config)
    assert seen.log[0]["kl_imagenet"] <= 1e-5
    assert all(math.isfinite(row["kl_imagenet"]) for row in seen.log)
    assert next(consistency_hook(runner).teacher.backbone.parameters()).is_cuda


@pytest.mark.parametrize(
    ("loss", "key"),
    [
        ("FeatureL2Loss", "feature_l2_imagenet"),
        ("FeatureCosineLoss", "feature_cosine_imagenet"),
        ("WeightL2Loss", "weight_l2_imagenet"),
    ],
)
def test_losses_that_need_no_classifier(tmp_path, loss, key):
    file = write_imagenet_file(tmp_path / "bare.pth", resnet18(), prefix=None)
    options = dict(loss=dict(type=loss), loss_weight=0.5)
    runner, seen = train(toy_config(tmp_path, segmentor(resnet18(file)), options, max_iters=3))
    assert seen.log[0][key] <= 1e-5
    assert seen.log[2][key] > 1e-6
    assert seen.log[2]["loss_imagenet"] == pytest.approx(0.5 * seen.log[2][key])
    if loss == "WeightL2Loss":
        return
    assert f"agree ({key}" in log_text(runner)


def test_weight_l2_value_in_a_run(tmp_path, imagenet):
    options = dict(loss=dict(type="WeightL2Loss"))
    config = toy_config(tmp_path, segmentor(resnet18(imagenet)), options, max_iters=3)
    _, seen = train(config, at=2)
    file = torch.load(imagenet)
    runner = build_runner(dict(config, work_dir=str(tmp_path / "names")))
    value = sum(
        0.5 * (seen.state[f"backbone.{n}"] - file[n]).square().sum()
        for n, _ in runner.model.backbone.named_parameters()
    )
    assert seen.log[2]["weight_l2_imagenet"] == pytest.approx(float(value), rel=1e-4)


def test_feature_index_and_classifier_of_another_name(tmp_path):
    state = random_state(resnet18())
    from seg_toy import linear_state

    torch.save(state, tmp_path / "backbone.pth")
    torch.save(linear_state(32, "probe"), tmp_path / "probe.pth")
    options = dict(
        feature=2, classifier=dict(checkpoint=str(tmp_path / "probe.pth"), prefix="probe")
    )
    model = segmentor(resnet18(tmp_path / "backbone.pth"))
    runner, seen = train(toy_config(tmp_path, model, options))
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < seen.log[1]["kl_imagenet"]
    # Nothing asks the last stage to stay: layer4 has no part in the loss but the task's.
    assert consistency_hook(runner).teacher.classifier.in_channels == 32


def test_validation_in_between_leaves_the_modes_right(tmp_path, imagenet):
    """mmengine calls model.train() after each validation."""
    modes = []

    class Watch(Hook):
        priority = "VERY_LOW"

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            modes.append(
                (runner.model.backbone.bn1.training, runner.model.decode_head.convs[0].bn.training)
            )

    data = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dict(type="SegToyDataset", length=2),
    )
    runner = build_runner(
        toy_config(
            tmp_path,
            segmentor(resnet18(imagenet)),
            dict(),
            max_iters=4,
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=4, val_interval=2),
            val_dataloader=data,
            val_cfg=dict(type="ValLoop"),
            val_evaluator=dict(type="IoUMetric"),
        )
    )
    runner.register_hook(Watch())
    runner.train()
    assert modes == [(False, True)] * 4
    file = torch.load(imagenet)
    assert torch.equal(runner.model.backbone.bn1.running_mean, file["bn1.running_mean"])


def test_a_run_that_only_tests_needs_no_file(tmp_path):
    data = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dict(type="SegToyDataset", length=2),
    )
    config = toy_config(
        tmp_path,
        segmentor(resnet18()),
        dict(agreement=dict(images=str(tmp_path / "nowhere"))),
        test_dataloader=data,
        test_cfg=dict(type="TestLoop"),
        test_evaluator=dict(type="IoUMetric"),
    )
    assert "mIoU" in build_runner(config).test()


def test_two_hooks_are_one_too_many(tmp_path, imagenet):
    config = toy_config(tmp_path, segmentor(resnet18(imagenet)), dict())
    config["custom_hooks"] = config["custom_hooks"] * 2
    with pytest.raises(ValueError, match="already returns 'loss_imagenet', 'kl_imagenet'. Use one"):
        train(config)


def test_a_part_that_the_model_does_not_run(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    runner = build_runner(toy_config(tmp_path, model, dict()))
    runner.model.extract_feat = lambda inputs: copy.deepcopy(runner.model.backbone)._forward(inputs)
    stages = runner.model.backbone

    def features(inputs):  # the model calls the backbone's parts, never the backbone
        return stages.forward(inputs)

    runner.model.extract_feat = features
    with pytest.raises(ValueError, match="the model did not run 'backbone'.*module that the model"):
        runner.train()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(loss_weight=-1), "loss_weight: got -1; it has to be a finite number of at least 0"),
        (dict(loss_weight=float("nan")), "loss_weight: got nan"),
        (dict(loss_weight=True), "loss_weight: got True"),
        (dict(max_weighted_loss=0), r"max_weighted_loss: got 0; .*above 0 \(or None for no cap\)"),
        (dict(eval_mode="eval"), "eval_mode: got 'eval', allowed are 'all'.*'pretrained'.*None"),
        (dict(loss=dict(type="mmseg.CrossEntropyLoss")), "loss: got .*allowed are ImageNetKLLoss"),
        (dict(agreement=dict(split="train")), "give either images='folder' or split='val'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        ImageNetConsistencyHook(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(student_module="bckbone"), ValueError, "no module 'bckbone'; it has .*backbone"),
        (dict(feature=7), ValueError, "feature: got index 7, but the backbone returns 4"),
        (dict(feature=1), ValueError, r"map 1 of ResNet has 16 channels, but .* takes 64"),
        (dict(feature="norm3"), ValueError, "ResNet has no submodule 'norm3'; it has conv1"),
    ],
)
def test_options_that_do_not_fit_the_model(tmp_path, imagenet, options, error, message):
    with pytest.raises(error, match=message):
        train(toy_config(tmp_path, segmentor(resnet18(imagenet)), options))


def test_checkpoint_loads_into_the_plain_model(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    hooks = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2))
    runner, _ = train(toy_config(tmp_path, model, dict(), default_hooks=hooks))
    plain = build_runner(toy_config(tmp_path / "plain", model)).model
    load_checkpoint(plain, str(tmp_path / "iter_2.pth"), strict=True)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, runner.model.state_dict()[name])


# -- measured only, and losses of one's own -----------------------------------------------------


@pytest.mark.parametrize("mode", ["pretrained", None])
def test_weight_0_measures_and_changes_no_bit(tmp_path, imagenet, mode):
    model = segmentor(resnet18(imagenet), fcn_head())
    baseline = toy_config(
        tmp_path / "plain", model, hooks=[dict(type="EvalModeHook", mode=mode)], max_iters=4
    )
    plain, before = train(baseline)
    hook = dict(loss_weight=0, eval_mode=mode)
    measured, seen = train(toy_config(tmp_path / "measured", model, hook, max_iters=4))
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, measured.model.state_dict()[name]), name
    for row, other in zip(seen.log, before.log, strict=True):
        kl = row.pop("kl_imagenet")
        assert row == other and math.isfinite(kl)
    # The first run's own numbers: what the objective would have been told.
    _, weighted = train(toy_config(tmp_path / "weighted", model, dict(eval_mode=mode), max_iters=1))
    _, again = train(toy_config(tmp_path / "again", model, hook, max_iters=1))
    assert weighted.log[0]["kl_imagenet"] == again.log[0]["kl_imagenet"]
    assert "loss_imagenet" in weighted.log[0] and "loss_imagenet" not in again.log[0]


def test_teacher_draws_nothing_from_the_training(tmp_path, imagenet):
    """Arms that differ in the loss alone start from the same head."""
    model = segmentor(resnet18(imagenet), fcn_head())
    _, plain = train(toy_config(tmp_path / "plain", model, max_iters=1), at=0)
    _, guided = train(toy_config(tmp_path / "guided", model, dict(), max_iters=1), at=0)
    for name, value in plain.state.items():
        assert torch.equal(value, guided.state[name]), name


def test_cap_without_a_weight_contradicts():
    with pytest.raises(ValueError, match="max_weighted_loss: got 9 with loss_weight=0, which adds"):
        ImageNetConsistencyHook(loss_weight=0, max_weighted_loss=9)


class OwnLoss(torch.nn.Module):
    needs = "features"

    def __init__(self, log_name="own_imagenet"):
        super().__init__()
        if log_name is not None:
            self.log_name = log_name

    def forward(self, student, teacher):
        return (student - teacher).abs().mean()


MODELS.register_module(module=OwnLoss, force=True)


@pytest.mark.parametrize("log_name", [None, "", 3, "own_loss"])
def test_log_name_of_a_loss_of_ones_own(log_name):
    with pytest.raises(ValueError, match=r"loss: log_name of OwnLoss: got .*without 'loss' in it"):
        ImageNetConsistencyHook(loss=dict(type="OwnLoss", log_name=log_name))


def test_log_name_that_the_model_uses(tmp_path, imagenet):
    loss = dict(type="OwnLoss", log_name="decode.acc_seg")
    config = toy_config(tmp_path, segmentor(resnet18(imagenet)), dict(loss=loss), max_iters=1)
    with pytest.raises(ValueError, match="the model already returns 'decode.acc_seg'"):
        train(config)


def test_loss_of_ones_own_is_logged_raw(tmp_path, imagenet):
    options = dict(loss=dict(type="OwnLoss"), loss_weight=0.5)
    _, seen = train(toy_config(tmp_path, segmentor(resnet18(imagenet)), options, max_iters=3))
    row = seen.log[2]
    assert row["own_imagenet"] > 0
    assert row["loss_imagenet"] == pytest.approx(0.5 * row["own_imagenet"])


@MODELS.register_module(force=True)
class CallsByKeyword(EncoderDecoder):
    """A segmentor that calls its backbone by keyword."""

    def extract_feat(self, inputs):
        return self.backbone(x=inputs)


def test_backbone_called_by_keyword(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    _, usual = train(toy_config(tmp_path / "usual", model, dict(), max_iters=2))
    model["type"] = "CallsByKeyword"
    _, keyword = train(toy_config(tmp_path / "keyword", model, dict(), max_iters=2))
    assert keyword.log == usual.log
