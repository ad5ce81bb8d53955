import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmseg.utils import register_all_modules
from torch import nn

from mmasg.optim.group_presets import preset_groups, preset_names

#: What each preset is made for: a backbone of mmseg's or ours, at its real names.
BACKBONES = dict(
    resnet=dict(type="mmseg.ResNet", depth=18, base_channels=4),
    resnet_v1c=dict(type="mmseg.ResNetV1c", depth=50, base_channels=4, stem_channels=8),
    vgg16=dict(type="VGG16"),
    vgg16_fcn8s=dict(type="VGG16"),
    efficientnet_lite0=dict(type="EfficientNetLite0"),
    mit=dict(type="mmseg.MixVisionTransformer", embed_dims=4, num_heads=[1, 2, 5, 8]),
    swin=dict(
        type="mmseg.SwinTransformer", embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)
    ),
    vit=dict(type="FoundationViT", img_size=32, embed_dims=8, num_heads=2, num_registers=2),
    stdc=dict(
        type="mmseg.STDCNet", stdc_type="STDCNet1", in_channels=3, channels=(4, 8, 16, 16, 16),
        bottleneck_type="cat", norm_cfg=dict(type="BN"), act_cfg=dict(type="ReLU"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("resnet", 7),
        ("resnet_v1c", 7),
        ("vgg16", 6),
        ("vgg16_fcn8s", 7),
        ("efficientnet_lite0", 7),
        ("mit", 5),
        ("swin", 6),
        ("vit", 6),
        ("stdc", 6),
    ],
)
def test_counts(name, count):
    assert len(preset_groups(name)) == count
    groups = preset_groups(name, lr_mult=0.1)
    assert [g["lr_mult"] for g in groups] == [0.1] * (count - 1) + [1.0]
    assert groups[-1]["name"] == "head" and groups[-1]["rest"]
    assert len({g["name"] for g in groups}) == count


def test_all_presets_are_tried():
    assert preset_names() == sorted(BACKBONES)


def test_orders_of_the_paper():
    assert [g["name"] for g in preset_groups("resnet")] == [
        "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "head",
    ]  # fmt: skip
    assert [g["name"] for g in preset_groups("vgg16_fcn8s")] == [
        "conv1", "conv2", "conv3", "conv4", "conv5", "fc", "head",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_covers_its_backbone(name):
    register_all_modules(init_default_scope=False)
    model = nn.Module()
    model.backbone = MODELS.build(BACKBONES[name])
    model.decode_head = nn.ModuleDict({k: nn.Conv2d(2, 2, 1) for k in ("fc6", "fc7", "score")})
    wrapper = build_optim_wrapper(
        model,
        dict(
            constructor="LayerGroupOptimWrapperConstructor",
            optimizer=dict(type="SGD", lr=1.0),
            paramwise_cfg=dict(preset=name),
        ),
    )
    groups = wrapper.optimizer.param_groups
    assert len(groups) == len(preset_groups(name))
    head = {id(p) for p in groups[-1]["params"]}
    fallen = [n for n, p in model.backbone.named_parameters() if id(p) in head]
    # Of the backbone, only the norms that Swin and nothing else puts on its outputs are new.
    assert all(name == "swin" and n.startswith("norm") for n in fallen), fallen
    assert {id(p) for p in model.decode_head["score"].parameters()} <= head
    inside = {id(p) for p in model.decode_head["fc6"].parameters()} <= head
    assert inside == (name != "vgg16_fcn8s")


def test_prefix():
    groups = preset_groups("stdc", prefix="backbone.backbone")
    assert groups[0]["patterns"] == ["backbone.backbone.stages.0.*"]


def test_unknown_name():
    with pytest.raises(ValueError, match=r"got 'vgg'; allowed: .*Did you mean 'vgg16'\?.*gro"):
        preset_groups("vgg")
