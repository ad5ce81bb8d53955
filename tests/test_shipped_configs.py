"""Our lines in configs that mmsegmentation ships; nothing else of them is changed but the data.

Each runs two real iterations at a small crop, on an 'ImageNet' file with random weights of that
very architecture, and the backbone's gradient is compared with autograd by hand.
"""

from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from seg_toy import (
    assert_same_gradients,
    gradients_by_hand,
    linear_state,
    random_state,
    train,
)

from mmasg.optim.group_presets import preset_groups

W = 5.0
CONFIGS = Path(mmseg.__file__).parent / ".mim/configs"
#: The three additions, as a user types them below an inherited config.
ADDITIONS = """
_base_ = {base!r}
custom_imports = dict(imports=['mmasg'], allow_failed_imports=False)
custom_hooks = [dict(type='ImageNetConsistencyHook', loss_weight={weight})]
optim_wrapper = dict(
    constructor='LayerGroupOptimWrapperConstructor',
    paramwise_cfg=dict({paramwise}))
"""
R101 = "preset='resnet_v1c', lr_mult=0.1"
#: name: (config, paramwise_cfg, groups' preset, part, side of the crop, file's classifier)
CASES = {
    "fcn": ("fcn/fcn_r101-d8_4xb2-40k_cityscapes-512x1024.py", R101, "resnet_v1c", "backbone", 64),
    "pspnet": (
        "pspnet/pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py", R101, "resnet_v1c", "backbone", 64,
    ),
    "deeplabv3plus": (
        "deeplabv3plus/deeplabv3plus_r101-d8_4xb2-40k_cityscapes-512x1024.py",
        R101, "resnet_v1c", "backbone", 64,
    ),
    "ocrnet": (
        "ocrnet/ocrnet_r101-d8_4xb2-40k_cityscapes-512x1024.py", R101, "resnet_v1c", "backbone", 64,
    ),
    "upernet_swin": (
        "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
        "preset='swin', lr_mult=0.1", "swin", "backbone", 64,
    ),
    # Its own paramwise_cfg gives the head another rate: replaced, its weight-decay rules kept.
    "segformer": (
        "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
        "_delete_=True, preset='mit', lr_mult=0.1, "
        "custom_keys={'pos_block': dict(decay_mult=0.), 'norm': dict(decay_mult=0.)}",
        "mit", "backbone", 64,
    ),
    "bisenetv1": (
        "bisenetv1/bisenetv1_r18-d32-in1k-pre_4xb4-160k_cityscapes-1024x1024.py",
        "preset='resnet', prefix='backbone.context_path.backbone', lr_mult=0.1",
        "resnet", "backbone.context_path.backbone", 64,
    ),
    "stdc": (
        "stdc/stdc1_in1k-pre_4xb12-80k_cityscapes-512x1024.py",
        "preset='stdc', prefix='backbone.backbone', lr_mult=0.1",
        "stdc", "backbone.backbone", 64,
    ),
}  # fmt: skip
_FILES = {}


def imagenet_file(folder, cfg, preset):
    """Writes the file of a backbone's architecture; the four ResNet-101 share one."""
    if preset not in _FILES:
        path = folder / f"{preset}.pth"
        if preset == "swin":
            state = {k: v for k, v in random_state(cfg).items() if not k.startswith("norm")}
            state |= {"norm.weight": torch.rand(768) + 0.5, "norm.bias": torch.randn(768) / 10}
            state |= linear_state(768, "head")
        else:
            channels = dict(resnet_v1c=2048, resnet=512, stdc=1024, mit=256)[preset]
            state = random_state(cfg)
            # Features of random networks differ in size: classifiers with logits of spread 1.
            scale = dict(resnet_v1c=1e-3, resnet=1.0, stdc=0.05, mit=1.0)[preset]
            state |= linear_state(channels, "head" if preset == "mit" else "fc", scale=scale)
        torch.save(state, path)
        _FILES[preset] = path
    return _FILES[preset]


def plain_batch_norm(cfg):
    """What mmengine makes of SyncBN on one process, for building a backbone by itself."""
    if isinstance(cfg, dict):
        return {
            k: "BN" if k == "type" and v == "SyncBN" else plain_batch_norm(v)
            for k, v in cfg.items()
        }
    return cfg


def user_config(folder, name):
    base, paramwise, preset, part, side = CASES[name]
    path = folder / f"{name}.py"
    path.write_text(ADDITIONS.format(base=str(CONFIGS / base), weight=W, paramwise=paramwise))
    cfg = Config.fromfile(path)
    backbone = cfg.model.backbone
    inner = backbone if part == "backbone" else backbone.backbone_cfg
    architecture = {k: v for k, v in plain_batch_norm(inner).items() if k != "init_cfg"}
    architecture["type"] = f"mmseg.{architecture['type']}"
    file = imagenet_file(folder.parent, architecture, preset)
    # The weights and the data, which are not here, and what follows from their size.
    if cfg.model.get("pretrained"):
        cfg.model.pretrained = str(file)
    else:
        assert inner.init_cfg.type == "Pretrained"
        inner.init_cfg.checkpoint = str(file)
    cfg.model.data_preprocessor.size = (side, side)
    heads = cfg.model.decode_head
    classes = (heads[-1] if isinstance(heads, list) else heads).num_classes
    cfg.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type="InfiniteSampler", shuffle=False),
        dataset=dict(type="SegToyDataset", length=4, size=(side, side), num_classes=classes),
    )
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=2)
    for key in ("val", "test"):
        cfg[f"{key}_dataloader"] = cfg[f"{key}_evaluator"] = cfg[f"{key}_cfg"] = None
    cfg.default_hooks = dict(
        checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, save_last=False)
    )
    # A warm-up from a millionth of the rate would leave the student at its start.
    cfg.param_scheduler = []
    cfg.visualizer.vis_backends = []
    cfg.randomness = dict(seed=0)
    cfg.work_dir = str(folder / name)
    return cfg, file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield tmp_path_factory.mktemp("shipped") / "configs"
    for path in _FILES.values():
        path.unlink()
    _FILES.clear()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_iterations_of(name, folder):
    folder.mkdir(exist_ok=True)
    cfg, file = user_config(folder, name)
    _, _, preset, part, _ = CASES[name]
    assert not is_distributed()
    runner, seen = train(cfg, at=1, nudged=part)
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < 1e-5 < seen.log[1]["kl_imagenet"]
    groups = {g["group_index"] for g in runner.optim_wrapper.optimizer.param_groups}
    assert len(groups) == len(preset_groups(preset))
    if name == "segformer":
        assert {g["weight_decay"] for g in runner.optim_wrapper.optimizer.param_groups} == {0, 0.01}
    swin = dict(feature="norm3", prefix="head", norm=True)
    how = dict(swin=swin, mit=dict(prefix="head")).get(preset, {})
    expected, kl = gradients_by_hand(cfg.model, seen, torch.load(file), W, part=part, **how)
    assert seen.log[1]["kl_imagenet"] == pytest.approx(kl, rel=1e-3, abs=1e-7)
    assert seen.log[1]["loss_imagenet"] == pytest.approx(W * kl, rel=1e-3, abs=5e-7)
    # Float32 rounding through a hundred layers, forth and back, in another order of summation.
    assert_same_gradients(seen.gradients, expected, part, 5e-3)


def test_inherited_head_rate_is_an_error_that_says_delete(folder):
    folder.mkdir(exist_ok=True)
    base = CASES["segformer"][0]
    path = folder / "segformer_as_it_is.py"
    path.write_text(
        ADDITIONS.format(base=str(CONFIGS / base), weight=W, paramwise="preset='mit', lr_mult=0.1")
    )
    cfg = Config.fromfile(path)
    from mmengine.optim import build_optim_wrapper

    with pytest.raises(ValueError, match=r"custom_keys\['head'\]\.lr_mult contradicts.*_delete_=T"):
        build_optim_wrapper(torch.nn.Linear(1, 1), cfg.optim_wrapper)


@pytest.mark.parametrize("name", ["bisenetv1/bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024.py"])
def test_the_plain_variants_start_from_random_weights(name):
    from mmengine.registry import MODELS
    from mmseg.utils import register_all_modules

    from mmasg.consistency.teacher import find_student

    register_all_modules(init_default_scope=True)
    cfg = Config.fromfile(CONFIGS / name)
    model = MODELS.build(plain_batch_norm(cfg.model.to_dict()))
    with pytest.raises(ValueError, match=r"model\.backbone \(BiSeNetV1\) starts from random weigh"):
        find_student(model, "backbone", False)
