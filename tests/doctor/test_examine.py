import pytest
from mmengine.config import Config
from seg_toy import resnet18, segmentor, toy_config, write_imagenet_file

from mmasg.doctor.additions import as_block, with_additions
from mmasg.doctor.examine import examine
from mmasg.doctor.findings import Part, as_text

GROUPS = dict(
    constructor="LayerGroupOptimWrapperConstructor",
    paramwise_cfg=dict(preset="resnet", lr_mult=0.1),
)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    return write_imagenet_file(tmp_path_factory.mktemp("imagenet") / "r18.pth", resnet18())


def config(backbone, hook=None, **extra):
    cfg = toy_config("work", segmentor(backbone), hook, **extra)
    cfg["model"]["data_preprocessor"].update(size=(32, 32), size_divisor=None)
    return Config(cfg)


def examined(cfg, step=False):
    parts = {part.title: part for part in examine(cfg, "my_config.py", step=step, workers=1)}
    return parts, as_text(list(parts.values()))


def optimizer(**rules):
    return dict(optimizer=dict(type="SGD", lr=0.1), **rules)


def test_a_config_with_the_hook(imagenet):
    cfg = config(resnet18(imagenet), dict(loss_weight=2.0), optim_wrapper=optimizer(**GROUPS))
    parts, text = examined(cfg, step=True)
    assert not any(p.errors for t, p in parts.items() if t != "data"), text
    layers = parts["layers"].facts
    assert "parameters" in layers[0] and layers[1].endswith("0 parameters, none")
    assert not parts["ImageNet teacher"].warnings, "that the file has a classifier is no finding"
    # conv1: 3 x 8 x 49 weights, at a tenth of the rate.
    row = next(line for line in layers[2].splitlines() if " conv1 " in line).split()
    assert row[:2] == ["0", "conv1"] and row[-3:] == ["1,176", "0.1", "0.01"]
    teacher = parts["ImageNet teacher"].facts
    assert teacher[0] == f"student: model.backbone (ResNet), weights from {imagenet}"
    assert teacher[1] == "loss: ImageNetKLLoss, weight 2"
    assert teacher[2].endswith("its classifier (LinearClassifier, 64 channels) fits")
    # ResNet-18 has 20 BatchNorm layers, the head one, and one dropout.
    assert parts["eval mode"].facts == [
        "'pretrained': 20 BatchNorm layers of ImageNet's and 1 of dropout stay in eval mode; 1 new "
        "BatchNorm layers train (decode_head.convs.0.bn)"
    ]
    assert parts["learned rates"].facts[0] == (
        "a policy would see 12 numbers: task_loss, kl, progress, weight_mean, weight_std, and the "
        "multiplier of conv1, bn1, layer1, layer2, layer3, layer4, head"
    )
    step = parts["one step on random images"].facts
    assert step[0] == "last layer, whose weights a policy watches: decode_head.conv_seg"
    assert step[1] == "measured: 2 images of 32x32 on cpu"
    assert step[2].startswith("without the teacher ") and step[2].endswith("%)")
    # 175 thousand float32 weights and a classifier: less than a MiB.
    assert step[3] == "the teacher's weights take 1 MiB"


def test_a_config_without_it_is_examined_with_the_additions(imagenet, tmp_path):
    cfg = config(resnet18(imagenet), optim_wrapper=optimizer(), hooks=[dict(type="EMAHook")])
    parts, _ = examined(cfg)
    title = next(t for t in parts if t.startswith("the config has no ImageNetConsistencyHook"))
    block = parts[title].facts[0]
    cfg.dump(tmp_path / "my_config.py")
    (tmp_path / "pasted.py").write_text(block)
    pasted = Config.fromfile(tmp_path / "pasted.py")
    assert pasted.optim_wrapper.paramwise_cfg.preset == "resnet"
    assert pasted.optim_wrapper.constructor == GROUPS["constructor"]
    assert [h.type for h in pasted.custom_hooks] == ["EMAHook", "ImageNetConsistencyHook"]
    assert not parts["layers"].errors and not parts["ImageNet teacher"].errors
    assert [h.type for h in cfg.custom_hooks] == ["EMAHook"], "the config is left alone"


def test_rates_of_a_config_that_the_groups_replace_are_told(imagenet):
    cfg = config(resnet18(imagenet), optim_wrapper=optimizer())
    cfg.optim_wrapper.paramwise_cfg = dict(custom_keys=dict(head=dict(lr_mult=10.0)))
    parts, _ = examined(cfg)
    (title,) = (t for t in parts if t.startswith("the config has no"))
    (warning,) = parts[title].warnings
    assert "(head x 10) are replaced" in warning and "optimizer.lr=0.1" in warning


def test_rules_of_a_config_that_live_on_beside_the_groups():
    cfg = config(resnet18("r18.pth"), optim_wrapper=optimizer())
    cfg.optim_wrapper.paramwise_cfg = dict(
        norm_decay_mult=0.0,
        custom_keys=dict(head=dict(lr_mult=10.0), norm=dict(lr_mult=2.0, decay_mult=0.0)),
    )
    rules = with_additions(cfg, cfg.model.backbone, "backbone").optim_wrapper.paramwise_cfg
    assert rules == dict(
        preset="resnet",
        lr_mult=0.1,
        norm_decay_mult=0.0,
        custom_keys=dict(norm=dict(decay_mult=0.0)),
    )
    other = with_additions(cfg, dict(type="UnknownNet"), "backbone")
    groups = other.optim_wrapper.paramwise_cfg.groups
    assert [g.name for g in groups] == ["body", "head"] and groups[1].rest
    assert "_delete_=True" in as_block("base.py", other)


SPOILT = {
    "no weights": (
        lambda cfg: cfg.model.backbone.pop("init_cfg"),
        "ImageNet teacher",
        "starts from random weights",
    ),
    "a file that is not there": (
        lambda cfg: cfg.model.backbone.init_cfg.update(checkpoint="gone.pth"),
        "ImageNet teacher",
        "no file 'gone.pth'",
    ),
    "an address that does not answer": (
        lambda cfg: cfg.model.backbone.init_cfg.update(checkpoint="http://127.0.0.1:9/r18.pth"),
        "ImageNet teacher",
        "Download the file on a machine with internet access",
    ),
    "another architecture": (
        lambda cfg: cfg.model.backbone.update(depth=34),
        "ImageNet teacher",
        "does not fit the backbone",
    ),
    "a typing error": (
        lambda cfg: cfg.custom_hooks[0].update(loss_wieght=3),
        "config",
        "Did you mean 'loss_weight'",
    ),
    "frozen stages": (
        lambda cfg: cfg.model.backbone.update(frozen_stages=1),
        "layers",
        "without a trainable parameter",
    ),
    "a policy beside hand-set rates": (
        lambda cfg: cfg.custom_hooks.append(
            dict(type="LayerLRPolicyHook", policy="mini", window=5)
        ),
        "learned rates",
        "the policy sets the rates",
    ),
    "a policy for other groups": (
        lambda cfg: (
            cfg.custom_hooks.append(dict(type="LayerLRPolicyHook", policy="mini", window=5)),
            cfg.optim_wrapper.__setitem__(
                "paramwise_cfg",
                dict(groups=[dict(name="a", patterns=["backbone.*"]), dict(name="b", rest=True)]),
            ),
        ),
        "learned rates",
        "it was trained for 7 layer groups, the config has 2 (a, b)",
    ),
    "no optimizer": (lambda cfg: cfg.update(optim_wrapper=None), "layers", "no single optimizer"),
    "a model that is not registered": (
        lambda cfg: cfg.model.decode_head.update(type="NoSuchHead"),
        "model",
        "install what the message",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_would_stop_a_training_is_an_error_with_its_remedy(name, imagenet):
    spoil, title, says = SPOILT[name]
    cfg = config(resnet18(imagenet), dict(loss_weight=1.0), optim_wrapper=optimizer(**GROUPS))
    spoil(cfg)
    parts, text = examined(cfg)
    assert any(says in error for error in parts[title].errors), text
    assert "Traceback" not in text and "RESULT: a training would stop or be wrong" in text


def test_eval_mode_all_that_spoils_a_head_is_a_warning(imagenet):
    cfg = config(resnet18(imagenet), dict(eval_mode="all"), optim_wrapper=optimizer(**GROUPS))
    parts, _ = examined(cfg)
    assert "freezes 1 BatchNorm layer(s) that no ImageNet" in parts["eval mode"].warnings[0]
    assert "'all': the whole model, 21 BatchNorm layers" in parts["eval mode"].facts[0]


def test_without_the_file_a_step_is_measured_all_the_same(imagenet):
    cfg = config(resnet18("gone.pth"), dict(loss_weight=1.0), optim_wrapper=optimizer(**GROUPS))
    parts, _ = examined(cfg, step=True)
    assert parts["ImageNet teacher"].errors
    step = parts["one step on random images"]
    assert not step.errors and step.facts[2].startswith("without the teacher ")


def test_a_network_without_imagenet_has_no_layers_of_it():
    parts, _ = examined(config(resnet18(), dict(), optim_wrapper=optimizer(**GROUPS)))
    assert parts["eval mode"].facts == ["not known: no part of the model starts from ImageNet"]
    assert "starts from random weights" in parts["ImageNet teacher"].errors[0]


def test_result_line():
    assert as_text([Part("a", ["fact"])]).endswith("RESULT: no errors (0 warnings above)")
    text = as_text([Part("a", errors=["x"], warnings=["y"])])
    assert "  ERROR x\n  warning: y" in text and text.endswith("(1 errors above)")


def test_of_a_policys_training_the_config_it_learns_on_is_examined(imagenet, tmp_path):
    inner = config(resnet18(imagenet), dict(loss_weight=1.0), optim_wrapper=optimizer(**GROUPS))
    inner.dump(tmp_path / "inner.py")
    path = str(tmp_path / "inner.py")
    overrides = {"optim_wrapper.paramwise_cfg.lr_mult": 1.0}
    cfg = Config(dict(train_cfg=dict(environments=dict(config=path, overrides=overrides))))
    parts, text = examined(cfg)
    assert f"config {path}" in parts and "in its place" in text
    row = next(line for line in parts["layers"].facts[2].splitlines() if " conv1 " in line)
    assert row.split()[-2:] == ["1", "0.1"], "the override's multiplier"
