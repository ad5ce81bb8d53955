import pytest
import torch
from seg_toy import resnet18, segmentor, toy_config, train

from mmasg.whitening import InstanceWhiteningHook, sensitive_mask, whitening_loss

SAVING = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1),
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
)
KEYED = dict(type="KeyedRandomnessHook")


def config(folder, iters=4, **options):
    hook = dict(type="InstanceWhiteningHook", stages=[0, "maxpool"], start=1, gather=2, **options)
    return toy_config(
        folder,
        segmentor(resnet18()),
        max_iters=iters,
        hooks=[hook, KEYED],
        default_hooks=SAVING,
    )


def test_gathers_then_whitens_and_resumes_exactly(tmp_path):
    runner, whole = train(config(tmp_path / "a"), at=3)
    assert ["loss_whitening" in row for row in whole.log] == [False, False, True, True]
    assert whole.log[3]["loss_whitening"] == pytest.approx(0.6 * whole.log[3]["whitening"])
    # The same loss from the weights and the batch of that iteration.
    hook = next(h for h in runner.hooks if isinstance(h, InstanceWhiteningHook))
    runner.model.load_state_dict(whole.state)
    inputs = runner.model.data_preprocessor(whole.batch, True)["inputs"]
    seen = []
    runner.model.backbone.maxpool.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    runner.model.train()
    with torch.no_grad():
        outputs = runner.model.backbone(inputs)
    masks = [sensitive_mask(v) for v in hook._variances]
    assert all(0 < int(m.sum()) < 28 for m in masks)  # of 8 channels' 28 pairs
    expected = (whitening_loss(outputs[0], masks[0]) + whitening_loss(seen[0], masks[1])) / 2
    assert whole.log[3]["whitening"] == pytest.approx(float(expected), rel=1e-4)
    # Interrupted while it gathers.
    saved = str(tmp_path / "a/iter_2.pth")
    rest = dict(config(tmp_path / "b"), resume=True, load_from=saved)
    _, resumed = train(rest)
    assert resumed.log == whole.log[2:]


def test_gathering_leaves_the_training_alone(tmp_path):
    plain = toy_config(
        tmp_path / "a", segmentor(resnet18()), max_iters=3, hooks=[KEYED], default_hooks=SAVING
    )
    _, without = train(plain)
    _, gathered = train(config(tmp_path / "b", iters=4))
    assert gathered.log[:2] == without.log[:2]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(stages="layer1"), TypeError, "stages: got 'layer1'; allowed: a list"),
        (dict(stages=[0], loss_weight=0), ValueError, "loss_weight: got 0"),
        (dict(stages=[0], gather=0), ValueError, "gather: got 0"),
        (dict(stages=[0], start=-1), ValueError, "start: got -1"),
        (dict(stages=[0], clusters=1), ValueError, "clusters: got 1"),
        (dict(stages=[0], kept=3), ValueError, "kept: got 3; allowed: 1 to clusters - 1"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        InstanceWhiteningHook(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(stages=["layer7"]), "stages: ResNet has no submodule 'layer7'"),
        (dict(stages=[4]), "stages: got index 4, but the backbone returns 4"),
        (
            dict(stages=[0], gather=9),
            "start . gather: got 9; allowed: at most the training's 2 iter",
        ),
        (dict(stages=[0], student_module="neck"), "student_module: .* has no module 'neck'"),
    ],
)
def test_what_does_not_fit(tmp_path, options, message):
    hook = dict(dict(type="InstanceWhiteningHook", gather=1), **options)
    with pytest.raises(ValueError, match=message):
        train(toy_config(tmp_path, segmentor(resnet18()), hooks=[hook]))
