import pytest
import torch
from seg_toy import (
    fcn_head,
    resnet18,
    segmentor,
    toy_config,
    train,
    write_imagenet_file,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_imagenet_file(tmp_path_factory.mktemp("imagenet") / "r18.pth", resnet18())


def config(folder, file, hook=None, **extra):
    wrapper = dict(
        type="OptimWrapper",
        constructor="LayerGroupOptimWrapperConstructor",
        optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(preset="resnet", lr_mult=0.1),
    )
    return toy_config(
        folder,
        segmentor(resnet18(file)),
        hook or dict(loss_weight=1.0),
        optim_wrapper=wrapper,
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1)),
        **extra,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, file):
    folder = tmp_path_factory.mktemp("trained")
    train(config(folder, file, max_iters=1))
    return folder


def other(trained, file, change):
    cfg = config(trained, file, max_iters=2, resume=True)
    change(cfg)
    return cfg


def wrapper(**changes):
    return lambda cfg: cfg["optim_wrapper"].update(changes)


def optimizer(**changes):
    return lambda cfg: cfg["optim_wrapper"]["optimizer"].update(changes)


def paramwise(**changes):
    return lambda cfg: cfg["optim_wrapper"].update(paramwise_cfg=changes)


def hook(**changes):
    return lambda cfg: cfg["custom_hooks"][0].update(changes)


def head(**changes):
    return lambda cfg: cfg["model"]["decode_head"].update(changes)


def loader(**changes):
    return lambda cfg: cfg["train_dataloader"].update(changes)


SEVEN = "'conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4', 'head'"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (hook(loss_weight=2.0), r"\(ImageNetConsistencyHook\)\.loss_weight: the checkpoint has "
         r"1, this config 2\. Resume with .*load_from"),
        (hook(max_weighted_loss=9.0), r"max_weighted_loss: the checkpoint has None, this config 9"),
        (hook(eval_mode="all"), r"eval_mode: the checkpoint has 'pretrained', this config 'all'"),
        (hook(loss=dict(type="FeatureL2Loss")), r"loss\.type: .* 'ImageNetKLLoss', .* 'FeatureL2L"),
        (lambda cfg: cfg.update(custom_hooks=[dict(type="TrainingCheckHook")]),
         r"custom_hooks \(ImageNetConsistencyHook\): .*this config '\(left out\)'"),
        (lambda cfg: cfg["custom_hooks"].append(dict(type="EMAHook")),
         r"custom_hooks \(EMAHook\): the checkpoint has '\(left out\)'"),
        (lambda cfg: cfg["custom_hooks"].append(dict(type="RelativeStepHook", head=0.1)),
         r"custom_hooks \(RelativeStepHook\): .* this config {'body': 0.0001, 'head': 0.1"),
        (optimizer(lr=0.02), r"optimizer\.lr of group 'conv1': .* 0\.001, this config 0\.002\."),
        (optimizer(momentum=0.8), r"optimizer\.momentum of group 'conv1': .* 0\.9, .* 0\.8"),
        (optimizer(type="CaffeSGD"), r"optimizer\.type: .* 'SGD', this config 'CaffeSGD'"),
        (paramwise(preset="resnet", lr_mult=0.2),
         r"paramwise_cfg\.lr_mult of group 'conv1': .*0\.2"),
        (paramwise(groups=[dict(name="all", rest=True)]),
         rf"paramwise_cfg \(groups\): the checkpoint has \[{SEVEN}\], this config \['all'\]"),
        (wrapper(accumulative_counts=2), r"wrapper\.accumulative_counts: .* 1, this config 2"),
        (wrapper(clip_grad=dict(max_norm=1.0)), r"wrapper\.clip_grad: .* None, this config {'m"),
        (head(dropout_ratio=0.2), r"decode_head\.dropout_ratio: the checkpoint has 0\.1, this"),
        (loader(batch_size=4), r"train_dataloader\.batch_size: .* has 2, this config 4"),
        (loader(sampler=dict(type="InfiniteSampler")), r"sampler\.shuffle: .* False, .* True"),
    ],
)  # fmt: skip
def test_what_changes_the_result_is_an_error_that_names_both(change, message, trained, file):
    with pytest.raises(ValueError, match=rf"resume was trained with another config\. .*{message}"):
        train(other(trained, file, change))


def defaults(cfg):
    """Says what is the default anyhow, and what does not touch the result."""
    cfg["model"]["decode_head"].update(loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0))
    cfg["model"]["backbone"].update(style="pytorch", with_cp=True)
    cfg["model"]["test_cfg"] = dict(mode="slide", crop_size=(32, 32), stride=(32, 32))
    cfg["optim_wrapper"].update(accumulative_counts=1)
    cfg["optim_wrapper"]["optimizer"].update(nesterov=False, foreach=True)
    cfg["train_dataloader"].update(num_workers=1, persistent_workers=True)
    cfg["custom_hooks"][0].update(loss=dict(type="ImageNetKLLoss"), eval_mode="pretrained")
    cfg["custom_hooks"].append(dict(type="NonFiniteLossHook", action="skip"))


def test_what_does_not_change_it_resumes(trained, file, tmp_path):
    moved = tmp_path / "r18.pth"
    torch.save(torch.load(file), moved)
    cfg = other(trained, file, defaults)
    cfg["model"]["backbone"]["init_cfg"]["checkpoint"] = str(moved)
    cfg["load_from"] = str(trained / "iter_1.pth")
    cfg["work_dir"] = str(tmp_path / "run")
    runner, seen = train(cfg)
    assert runner.iter == 2 and len(seen.log) == 1


def test_a_checkpoint_that_does_not_say(trained, file, tmp_path):
    checkpoint = torch.load(trained / "iter_1.pth", weights_only=False)
    del checkpoint["trained_with"]
    torch.save(checkpoint, tmp_path / "iter_1.pth")
    cfg = other(trained, file, hook(loss_weight=2.0))
    cfg |= dict(load_from=str(tmp_path / "iter_1.pth"), work_dir=str(tmp_path))
    runner, _ = train(cfg)
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert "does not say which model, data and hooks it was trained with" in log
    optimizer(lr=0.02)(cfg)  # said by mmengine's own part of the checkpoint
    with pytest.raises(ValueError, match=r"optimizer\.lr of group 'conv1'"):
        train(cfg)


def test_it_is_plain(trained):
    checkpoint = torch.load(trained / "iter_1.pth", weights_only=False)

    def plain(value):
        if isinstance(value, dict):
            return all(type(k) is str and plain(v) for k, v in value.items())
        if type(value) is list:
            return all(map(plain, value))
        return value is None or type(value) in (bool, int, float, str)

    assert plain(checkpoint["trained_with"])
    assert checkpoint["trained_with"]["hooks"]["ImageNetConsistencyHook"]["loss_weight"] == 1.0
    assert fcn_head()["type"] == "mmseg.FCNHead"
    assert checkpoint["trained_with"]["config"]["model"]["decode_head"]["type"] == "FCNHead"
