import copy

import pytest
import torch
from mmengine.registry import MODELS
from mmseg.utils import register_all_modules
from seg_toy import (
    Recorder,
    assert_same_gradients,
    build_runner,
    fcn_head,
    gradients_by_hand,
    linear_state,
    random_state,
    resnet18,
    segmentor,
    toy_config,
    train,
    write_imagenet_file,
)
from torch import nn

from mmasg.consistency import ImageNetConsistencyHook
from mmasg.consistency.teacher import build_teacher, find_student

MIT = dict(
    type="mmseg.MixVisionTransformer",
    embed_dims=8,
    num_layers=[1, 1, 1, 1],
    num_heads=[1, 2, 5, 8],
    drop_path_rate=0.1,
)
SWIN = dict(
    type="mmseg.SwinTransformer",
    embed_dims=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_size=4,
    drop_path_rate=0.3,
)
STDC = dict(
    type="mmseg.STDCContextPathNet",
    backbone_cfg=dict(
        type="mmseg.STDCNet", stdc_type="STDCNet1", in_channels=3, channels=(4, 8, 8, 16, 16),
        bottleneck_type="cat", num_convs=4, norm_cfg=dict(type="BN"), act_cfg=dict(type="ReLU"),
        with_final_conv=False,
    ),
    last_in_channels=(16, 16),
    out_channels=8,
    ffm_cfg=dict(in_channels=16, out_channels=8, scale_factor=4),
)  # fmt: skip
BISENET = dict(
    type="mmseg.BiSeNetV1",
    backbone_cfg=resnet18(),
    context_channels=(16, 32, 64),
    spatial_channels=(8, 8, 8, 16),
    out_channels=16,
)


def network(cfg, checkpoint=None, seed=7):
    register_all_modules(init_default_scope=False)
    cfg = copy.deepcopy(cfg)
    if checkpoint is not None:
        cfg["init_cfg"] = dict(type="Pretrained", checkpoint=str(checkpoint))
    torch.manual_seed(seed)
    return MODELS.build(cfg)


def with_file(cfg, checkpoint):
    """A nested backbone whose inner part starts from a checkpoint, as in1k-pre configs write it."""
    cfg = copy.deepcopy(cfg)
    cfg["backbone_cfg"]["init_cfg"] = dict(type="Pretrained", checkpoint=str(checkpoint))
    return cfg


def hook_of(runner):
    return next(h for h in runner.hooks if isinstance(h, ImageNetConsistencyHook))


# -- where the ImageNet file is named ---------------------------------------------------------


def test_teacher_on_a_cpu_is_folded_and_channels_last(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    student = MODELS.build(resnet18(file))
    student.init_weights()
    teacher = build_teacher(student)
    images = torch.randn(2, 3, 48, 48)
    logits = teacher(images).logits
    assert not any(isinstance(m, nn.BatchNorm2d) for m in teacher.backbone.modules())
    weight = teacher.backbone.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    student.eval()
    assert student.conv1.weight.is_contiguous()  # the student is left as it is
    with torch.no_grad():
        expected = teacher.classify(student(images)[-1])
    # 20 layers with some float32 roundings each.
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_from_model_pretrained(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    model = segmentor(resnet18(), pretrained=file)
    runner, seen = train(toy_config(tmp_path / "run", model, dict(), max_iters=2))
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < seen.log[1]["kl_imagenet"]
    images = torch.randn(1, 3, 48, 48)
    expected = build_teacher(MODELS.build(resnet18(file)))(images)
    assert torch.equal(hook_of(runner).teacher(images).logits, expected.logits)


@pytest.mark.parametrize(
    ("cfg", "part", "channels", "named"),
    [
        (STDC, "backbone.backbone", 16, False),
        (STDC, "backbone.backbone", 16, True),
        (BISENET, "backbone.context_path.backbone", 64, False),
        (BISENET, "backbone.context_path.backbone", 64, True),
    ],
)
def test_nested_backbones_by_themselves_and_by_name(tmp_path, cfg, part, channels, named):
    inner = cfg["backbone_cfg"]
    file = write_imagenet_file(tmp_path / "inner.pth", inner, channels)
    width = 8 if cfg is STDC else 16
    head = fcn_head(width)
    head["in_index"] = 3 if cfg is STDC else 0
    model = segmentor(with_file(cfg, file), head)
    options = dict(loss_weight=2.0, **(dict(student_module=part) if named else {}))
    config = toy_config(tmp_path / "run", model, options, max_iters=2)
    config["train_dataloader"]["dataset"]["size"] = (64, 64)
    runner, seen = train(config, at=1)
    assert hook_of(runner).student_module == part
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < seen.log[1]["kl_imagenet"]
    expected, kl = gradients_by_hand(model, seen, torch.load(file), 2.0, part=part)
    assert seen.log[1]["kl_imagenet"] == pytest.approx(kl, rel=1e-3, abs=1e-7)
    # The context path's new BatchNorm layers train, the ImageNet file's do not: the gradient
    # shows both, and the part around the ImageNet network gets its gradient too.
    assert_same_gradients(seen.gradients, expected, "backbone", 1e-3)


def test_icnet_takes_its_backbone_apart(tmp_path):
    """It calls its ResNet's stages one by one: there is no call whose features could be taken."""
    inner = resnet18(type="mmseg.ResNetV1c")
    file = write_imagenet_file(tmp_path / "v1c.pth", inner)
    cfg = dict(type="mmseg.ICNet", backbone_cfg=dict(
        inner, init_cfg=dict(type="Pretrained", checkpoint=file)), in_channels=3,
        layer_channels=(16, 64), light_branch_middle_channels=4, psp_out_channels=8,
        out_channels=(4, 8, 8))  # fmt: skip
    model = segmentor(cfg, dict(fcn_head(8), in_index=2))
    config = toy_config(tmp_path / "run", model, dict())
    config["train_dataloader"]["dataset"]["size"] = (64, 64)
    with pytest.raises(ValueError, match=r"the model did not run 'backbone\.backbone'"):
        train(config)


def test_several_nested_parts_have_to_be_named():
    model = nn.Module()
    model.backbone = nn.Module()
    for name in ("left", "right"):
        child = nn.Conv2d(1, 1, 1)
        child.init_cfg = dict(type="Pretrained", checkpoint=f"{name}.pth")
        model.backbone.add_module(name, child)
    with pytest.raises(ValueError, match=r"backbone\.left, backbone\.right\. Name the one"):
        find_student(model, "backbone", False)
    assert find_student(model, "backbone.left", False) == "backbone.left"


def test_random_weights_have_no_teacher(tmp_path):
    with pytest.raises(ValueError, match=r"model\.backbone \(ResNet\) starts from random weights.*"
                       r"model\.pretrained.*in1k-pre.*teacher="):  # fmt: skip
        train(toy_config(tmp_path, segmentor(resnet18()), dict()))
    with pytest.raises(ValueError, match=r"model\.backbone \(STDCContextPathNet\) starts from ran"):
        train(toy_config(tmp_path, segmentor(STDC, fcn_head(8)), dict()))


# -- MiT and Swin -------------------------------------------------------------------------------


def mit_official(state):
    """The names of the official MiT files, from mmseg's; only those a test needs."""
    names = {"layers.0.0.projection.weight": "patch_embed1.proj.weight",
             "layers.3.2.weight": "norm4.weight"}  # fmt: skip
    return {new: state[old] for old, new in names.items()}


def test_mit_with_its_classifier_in_a_run(tmp_path):
    file = write_imagenet_file(tmp_path / "mit.pth", MIT, 64, "head")
    head = dict(
        type="mmseg.SegformerHead", in_channels=[8, 16, 40, 64], in_index=[0, 1, 2, 3], channels=8,
        dropout_ratio=0.1, num_classes=3, norm_cfg=dict(type="BN"), align_corners=False,
        loss_decode=dict(type="mmseg.CrossEntropyLoss"),
    )  # fmt: skip
    backbone = dict(MIT, init_cfg=dict(type="Pretrained", checkpoint=file))
    model = segmentor(backbone, head)
    fast = dict(optimizer=dict(type="SGD", lr=2.0))  # the norms of transformers damp its steps
    config = toy_config(
        tmp_path / "run", model, dict(loss_weight=3.0), max_iters=2, optim_wrapper=fast
    )
    _, seen = train(config, at=1)
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < seen.log[1]["kl_imagenet"]
    expected, _ = gradients_by_hand(model, seen, torch.load(file), 3.0, prefix="head")
    assert_same_gradients(seen.gradients, expected, "backbone", 1e-3)


def test_mit_classifier_of_the_official_file(tmp_path):
    """mmseg's converted files have no classifier; the official ones have, in names of their own."""
    state = random_state(MIT)
    torch.save(state, tmp_path / "converted.pth")
    official = {**mit_official(state), **linear_state(64, "head")}
    torch.save(official, tmp_path / "official.pth")
    student = network(MIT, tmp_path / "converted.pth")
    with pytest.raises(ValueError, match=r"converted\.pth carries no ImageNet class.*Ways out"):
        build_teacher(student)
    teacher = build_teacher(student, classifier=dict(checkpoint=str(tmp_path / "official.pth")))
    x = torch.randn(2, 3, 32, 32)
    expected = teacher.backbone(x)[-1].mean((2, 3)) @ official["head.weight"].T
    torch.testing.assert_close(teacher(x).logits, expected + official["head.bias"])
    # An official file for the backbone itself: nothing of it has a place.
    with pytest.raises(ValueError, match="official.pth' does not fit the backbone MixVisionTr"):
        build_teacher(student, teacher=str(tmp_path / "official.pth"))


def swin_file(path, converted, wrapped=False):
    """A file as Swin's authors (or mmseg's converter) write it: norm before the pooling."""
    state = {k: v for k, v in random_state(SWIN).items() if k[:4] != "norm"}
    state |= {"norm.weight": torch.rand(64) + 0.5, "norm.bias": torch.randn(64)}
    if not converted:
        # Of the official names, the classifier's and the last norm's are all that is needed.
        state = {k: v for k, v in state.items() if k.startswith("norm.")}
    if not converted or wrapped:
        state |= linear_state(64, "head")
    torch.save({"model": state} if wrapped or not converted else state, path)
    return str(path)


def test_swin_with_its_classifier_in_a_run(tmp_path):
    file = swin_file(tmp_path / "swin.pth", converted=True, wrapped=True)
    backbone = dict(SWIN, init_cfg=dict(type="Pretrained", checkpoint=file))
    model = segmentor(backbone)
    fast = dict(optimizer=dict(type="SGD", lr=2.0))  # the norms of transformers damp its steps
    config = toy_config(
        tmp_path / "run", model, dict(loss_weight=3.0), max_iters=2, optim_wrapper=fast
    )
    runner, seen = train(config, at=1)
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < seen.log[1]["kl_imagenet"]
    tensors = torch.load(file)["model"]
    expected, _ = gradients_by_hand(
        model, seen, tensors, 3.0, feature="norm3", prefix="head", norm=True
    )
    assert_same_gradients(seen.gradients, expected, "backbone", 1e-3)
    # The norms that segmentation adds to the outputs are not ImageNet's.
    assert not any(name.startswith("norm") for name in hook_of(runner).teacher.loaded)


def test_swin_classifier_of_the_official_file(tmp_path):
    converted = swin_file(tmp_path / "converted.pth", converted=True)
    official = swin_file(tmp_path / "official.pth", converted=False)
    student = network(SWIN, converted)
    with pytest.raises(ValueError, match=r"converted\.pth carries no ImageNet classifier"):
        build_teacher(student)
    teacher = build_teacher(student, classifier=dict(checkpoint=official, prefix="head"))
    tensors = torch.load(official)["model"]
    assert torch.equal(teacher.classifier.norm_weight, tensors["norm.weight"])
    assert teacher(torch.randn(1, 3, 32, 32)).logits.shape == (1, 11)
    assert teacher.feature == "norm3"


def test_swin_with_its_usual_feature_and_loss(tmp_path):
    student = network(SWIN, swin_file(tmp_path / "converted.pth", converted=True))
    teacher = build_teacher(student, with_classifier=False)
    prediction = teacher(torch.randn(1, 3, 64, 64))
    assert prediction.logits is None
    assert prediction.features.shape == (1, 4, 64)  # tokens of stage 4, before norm3


# -- the teacher itself ---------------------------------------------------------------------------


def test_teacher_is_frozen_and_stays_in_eval_mode(tmp_path):
    student = network(resnet18(write_imagenet_file(tmp_path / "a.pth", resnet18())))
    before = {k: v.clone() for k, v in student.state_dict().items()}
    teacher = build_teacher(student)
    assert teacher.train() is teacher
    assert not any(m.training for m in teacher.backbone.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    assert student.training and all(p.requires_grad for p in student.parameters())
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name])
    x = torch.randn(2, 3, 32, 32, requires_grad=True)
    assert not teacher(x).logits.requires_grad
    assert teacher._tap.features == [] and teacher._tap.inputs == []


def test_loaded_names_are_all_of_a_resnet(tmp_path):
    student = network(resnet18(write_imagenet_file(tmp_path / "a.pth", resnet18())))
    assert build_teacher(student).loaded == set(student.state_dict())


def test_teacher_by_config(tmp_path):
    file = write_imagenet_file(tmp_path / "a.pth", resnet18())
    student = network(resnet18())
    teacher = build_teacher(student, teacher=resnet18(file))
    assert torch.equal(teacher.backbone.conv1.weight, torch.load(file)["conv1.weight"])
    with pytest.raises(ValueError, match=r"ResNet has no init_cfg=dict\(type='Pretrained'"):
        build_teacher(student, teacher=resnet18())
    with pytest.raises(ValueError, match=r"another architecture than the student ResNet: \d+ tens"):
        build_teacher(student, teacher=resnet18(file, depth=34))


def test_a_classifier_module_of_ones_own(tmp_path):
    student = network(resnet18(write_imagenet_file(tmp_path / "a.pth", resnet18(), prefix=None)))
    teacher = build_teacher(student, classifier=dict(type="Conv2d", in_channels=64, out_channels=4,
                                                     kernel_size=1))  # fmt: skip
    assert not teacher.classifier.training
    assert not any(p.requires_grad for p in teacher.classifier.parameters())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(teacher=3), TypeError, "teacher: got 3; it has to be the path or name"),
        (dict(classifier="fc"), TypeError, "classifier: got 'fc'; it has to be dict"),
        (dict(classifier=dict(file="a")), ValueError, r"unknown key\(s\) \['file'\], allowed are"),
        (dict(classifier=dict(prefix="top")), ValueError, "carries no linear layer 'top'"),
        (dict(classifier=dict(checkpoint="no.pth")), FileNotFoundError,
         r"classifier\.checkpoint: no file 'no\.pth'"),
        (dict(teacher="no.pth"), FileNotFoundError, r"Hook\.teacher: no file 'no\.pth'"),
        (dict(feature="norm3"), ValueError, "feature: ResNet has no submodule 'norm3'"),
    ],
)  # fmt: skip
def test_wrong_options(tmp_path, options, error, message):
    student = network(resnet18(write_imagenet_file(tmp_path / "a.pth", resnet18())))
    with pytest.raises(error, match=message):
        build_teacher(student, **options)


def test_file_of_another_architecture(tmp_path):
    deeper = write_imagenet_file(tmp_path / "r34.pth", resnet18(depth=34))
    with pytest.raises(ValueError, match=r"r34\.pth' does not fit the backbone ResNet\. The file "
                       r"has \d+ without a place: layer1\.2\.conv1\.weight"):  # fmt: skip
        build_teacher(network(resnet18(deeper)))
    shallow = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    with pytest.raises(ValueError, match=r"r18\.pth' does not fit .* tensors were not loaded: lay"):
        build_teacher(network(resnet18(shallow, depth=34)))
    wider = write_imagenet_file(tmp_path / "wide.pth", resnet18(base_channels=16), 128)
    with pytest.raises(ValueError, match=r"wide\.pth' does not fit the backbone ResNet"):
        build_teacher(network(resnet18(wider)))


def test_v1c_file_for_a_plain_resnet(tmp_path):
    """BiSeNetV1's in1k-pre configs name a ResNetV1c file for a ResNet: its stem has no place."""
    file = write_imagenet_file(tmp_path / "v1c.pth", resnet18(type="mmseg.ResNetV1c"))
    with pytest.raises(ValueError, match=r"v1c\.pth' does not fit .*loaded: conv1\.weight, bn1"):
        build_teacher(network(resnet18(file)))


class Bomb:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("kind", ["missing", "pickled", "cut", "bare"])
def test_bad_files_stop_a_run_before_the_first_image(tmp_path, kind, capsys):
    path = tmp_path / "file.pth"
    state = {**random_state(resnet18()), **(linear_state(64) if kind != "bare" else {})}
    torch.save({**state, "bomb": Bomb()} if kind == "pickled" else state, path)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-4000])
    if kind == "missing":
        path.unlink()
    error, message = {
        "missing": (FileNotFoundError, "init_cfg.checkpoint of the backbone: no file"),
        "pickled": (ValueError, "holds pickled code"),
        "cut": (ValueError, "truncated or no PyTorch checkpoint"),
        "bare": (ValueError, "carries no ImageNet classifier that is known"),
    }[kind]
    runner = build_runner(toy_config(tmp_path / "run", segmentor(resnet18(path)), dict()))
    seen = Recorder()
    runner.register_hook(seen)
    with pytest.raises(error, match=message):
        runner.train()
    assert seen.log == [] and seen.rates == []
    assert "code ran" not in capsys.readouterr().out
