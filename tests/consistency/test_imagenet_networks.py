"""The teacher's prediction is that of the whole ImageNet network, for every family of backbones.

Each network is written a second time in ``imagenet_cnns.py`` and ``imagenet_transformers.py``,
from its paper and without mmseg's or mmasg's code; its random weights are the ImageNet file.
"""

from functools import partial

import imagenet_cnns as cnns
import imagenet_transformers as transformers
import pytest
import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmseg.utils import register_all_modules
from network_weights import Weights
from torch import nn

from mmasg.consistency.teacher import build_teacher

BN = dict(type="BN")
LN = dict(type="LN", eps=1e-6)
NARROW = dict(base_channels=8, stem_channels=8, norm_cfg=BN)
V1C = dict(NARROW, type="mmseg.ResNetV1c", depth=18)
VIT = dict(
    type="mmseg.VisionTransformer", img_size=32, patch_size=8, embed_dims=16, num_layers=2,
    num_heads=2, patch_bias=True, norm_cfg=LN, out_indices=(0, 1), drop_path_rate=0.1,
)  # fmt: skip
BEIT = dict(
    type="mmseg.BEiT", img_size=32, patch_size=8, embed_dims=16, num_layers=2, num_heads=2,
    norm_cfg=LN, out_indices=(0,),
)  # fmt: skip
TWINS = dict(
    embed_dims=[8, 16, 16, 16], num_heads=[1, 2, 2, 2], mlp_ratios=[4] * 4, depths=[2] * 4,
    sr_ratios=[4, 2, 1, 1], qkv_bias=True,
)  # fmt: skip
SVT = dict(TWINS, type="mmseg.SVT", windiow_sizes=[2] * 4, norm_after_stage=False)
STDC = dict(
    type="mmseg.STDCNet", stdc_type="STDCNet1", in_channels=3, channels=(4, 8, 8, 16, 16),
    bottleneck_type="cat", num_convs=4, norm_cfg=BN, act_cfg=dict(type="ReLU"),
)  # fmt: skip
MOBILE_V3 = dict(type="mmseg.MobileNetV3", arch="small", out_indices=(0, 12), norm_cfg=BN)


@MODELS.register_module(force=True)
class ConvNeXt(BaseModule):
    """MMPreTrain's, which mmseg's ConvNeXt configs use, as far as it matters here."""

    def __init__(self, channels=(4, 8, 8, 16), pooled=False, init_cfg=None):
        super().__init__(init_cfg)
        self.pooled = pooled
        self.downsample_layers, self.stages = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(channels):
            before = (
                nn.Conv2d(3, width, 4, 4) if i == 0 else nn.Conv2d(channels[i - 1], width, 2, 2)
            )
            parts = (
                [before, LayerNorm2d(width)] if i == 0 else [LayerNorm2d(channels[i - 1]), before]
            )
            self.downsample_layers.append(nn.Sequential(*parts))
            self.stages.append(nn.Sequential(ConvNeXtBlock(width)))
            self.add_module(f"norm{i}", LayerNorm2d(width))

    def forward(self, x):
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(self.downsample_layers[i](x))
            norm = getattr(self, f"norm{i}")
            outs.append(norm(x.mean([-2, -1], keepdim=True)).flatten(1) if self.pooled else norm(x))
        return tuple(outs)


class LayerNorm2d(nn.LayerNorm):
    def __init__(self, channels):
        super().__init__(channels, eps=1e-6)

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise_conv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pointwise_conv1 = nn.Linear(width, 4 * width)
        self.pointwise_conv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = self.norm(self.depthwise_conv(x).permute(0, 2, 3, 1))
        y = self.pointwise_conv2(torch.nn.functional.gelu(self.pointwise_conv1(y)))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


#: Name -> (backbone's config, the network written once more, side of the images).
FAMILIES = {
    "ResNet": (dict(NARROW, type="mmseg.ResNet", depth=18), cnns.resnet, 64),
    "ResNet with bottlenecks": (
        dict(NARROW, type="mmseg.ResNet", depth=50),
        partial(cnns.resnet, blocks=(3, 4, 6, 3), bottleneck=True),
        64,
    ),
    "ResNetV1c": (V1C, partial(cnns.resnet, deep_stem=True), 64),
    "ResNetV1c dilated": (
        dict(V1C, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True),
        partial(cnns.resnet, deep_stem=True, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
                contract=True),
        64,
    ),
    "ResNetV1d": (
        dict(NARROW, type="mmseg.ResNetV1d", depth=50),
        partial(cnns.resnet, blocks=(3, 4, 6, 3), bottleneck=True, deep_stem=True, avg_down=True),
        64,
    ),
    "ResNeXt": (
        dict(NARROW, type="mmseg.ResNeXt", depth=50, groups=4, base_width=4),
        partial(cnns.resnet, blocks=(3, 4, 6, 3), bottleneck=True, groups=4,
                width=lambda planes: planes * 4 // 8 * 4),
        64,
    ),
    "ResNeSt": (
        dict(NARROW, type="mmseg.ResNeSt", depth=50),
        partial(cnns.resnet, blocks=(3, 4, 6, 3), bottleneck=True, deep_stem=True, avg_down=True,
                conv=cnns.split_attention, head="head.fc"),
        64,
    ),
    "VGG16": (dict(type="VGG16", first_padding=1), cnns.vgg16, 64),
    "VGG16 padded": (dict(type="VGG16", first_padding=9), partial(cnns.vgg16, padding=9), 32),
    "EfficientNetLite0": (dict(type="EfficientNetLite0"), cnns.efficientnet_lite0, 96),
    "MobileNetV2": (
        dict(type="mmseg.MobileNetV2", widen_factor=0.25, norm_cfg=BN, out_indices=(1, 6)),
        cnns.mobilenet_v2,
        64,
    ),
    "MobileNetV3": (MOBILE_V3, cnns.mobilenet_v3_small, 64),
    "MobileNetV3 of MMPreTrain": (
        MOBILE_V3,
        partial(cnns.mobilenet_v3_small, head=("head.layers.0.fc", "head.layers.1.fc")),
        64,
    ),
    "STDC": (STDC, cnns.stdc1, 64),
    "STDC with a plain end": (STDC, partial(cnns.stdc1, end=False), 64),
    "Swin": (
        dict(type="mmseg.SwinTransformer", embed_dims=8, depths=(2, 2, 1, 1),
             num_heads=(1, 1, 2, 2), window_size=2, drop_path_rate=0.2),
        transformers.swin,
        64,
    ),
    "MiT": (
        dict(type="mmseg.MixVisionTransformer", embed_dims=8, num_layers=[1] * 4,
             num_heads=[1, 2, 5, 8]),
        transformers.mit,
        64,
    ),
    "PCPVT": (dict(TWINS, type="mmseg.PCPVT"), transformers.twins, 64),
    "SVT": (SVT, partial(transformers.twins, window=2), 64),
    "MSCAN": (
        dict(type="mmseg.MSCAN", embed_dims=[8, 8, 16, 16], mlp_ratios=[4] * 4, depths=[1] * 4,
             norm_cfg=BN),
        transformers.mscan,
        64,
    ),
    "ConvNeXt": (dict(type="ConvNeXt"), transformers.convnext, 64),
    "ConvNeXt pooled": (dict(type="ConvNeXt", pooled=True), transformers.convnext, 64),
    "ViT": (VIT, transformers.vit, 32),
    "ViT without its last output": (dict(VIT, out_indices=(0,)), transformers.vit, 32),
    "ViT with a final norm": (dict(VIT, final_norm=True),
                              partial(transformers.vit, norm="ln1"), 32),
    "ViT with a new final norm": (dict(VIT, final_norm=True), transformers.vit, 32),
    "ViT with its class token": (dict(VIT, output_cls_token=True), transformers.vit, 32),
    "ViT of mean patches": (VIT, partial(transformers.vit, norm="fc_norm"), 32),
    "BEiT": (BEIT, transformers.beit, 32),
    "BEiT of the class token": (BEIT, partial(transformers.beit, norm="norm"), 32),
    "MAE": (dict(BEIT, type="mmseg.MAE"),
            partial(transformers.beit, absolute=True, relative=False), 32),
    "MAE with position biases": (dict(BEIT, type="mmseg.MAE"),
                                 partial(transformers.beit, absolute=True), 32),
}  # fmt: skip


def build(cfg, checkpoint, **init):
    register_all_modules(init_default_scope=False)
    cfg = dict(cfg, init_cfg=dict(type="Pretrained", checkpoint=str(checkpoint), **init))
    backbone = MODELS.build(cfg)
    backbone.init_weights()
    return backbone


def written(network, side, path, drop=(), add=None):
    """Run a network on images, write its weights as a file; return images and logits."""
    weights, generator = Weights(), torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, side, side, generator=generator)
    network(weights, images)
    state = {k: v for k, v in weights.items() if not k.startswith(tuple(drop) or ("?",))}
    torch.save({**state, **(add or {})}, path)
    return images, network(weights, images)


@pytest.mark.parametrize("family", FAMILIES)
def test_prediction_is_that_of_the_whole_network(family, tmp_path):
    cfg, network, side = FAMILIES[family]
    images, expected = written(network, side, tmp_path / "imagenet.pth")
    teacher = build_teacher(build(cfg, tmp_path / "imagenet.pth"))
    logits = teacher(images).logits
    # Rounding of float32 in another order; a wrong layer changes logits by their own size.
    assert (logits - expected).abs().max() <= 1e-3 * expected.abs().max()
    # The images are told apart, so that a wrong function would show.
    assert (expected[0] - expected[1]).abs().max() > 0.05 * expected.abs().max()


# -- what is refused ------------------------------------------------------------------------------


def refused(cfg, network, side, tmp_path, message, drop=(), add=None, **init):
    written(network, side, tmp_path / "imagenet.pth", drop, add)
    student = build(cfg, tmp_path / "imagenet.pth", **init)
    with pytest.raises(ValueError, match=message) as caught:
        build_teacher(student)
    assert "loss=dict(type='FeatureL2Loss')" in str(caught.value)
    # The features are there all the same.
    assert build_teacher(student, with_classifier=False)(
        torch.randn(1, 3, side, side)
    ).features.ndim


def test_file_with_layers_that_nobody_runs(tmp_path):
    cfg, network, side = FAMILIES["ResNet"]
    extra = {"neck.weight": torch.zeros(3), "layer1.0.bn1.num_batches_tracked": torch.tensor(1)}
    message = (
        r"imagenet\.pth has 1 tensors that neither ResNet nor the classifier \(fc\.bias, fc\.w.*"
        r"takes: neck\.weight.*classifier=dict\(prefix="
    )
    refused(cfg, network, side, tmp_path, message, add=extra)
    # Who knows better says so.
    student = build(cfg, tmp_path / "imagenet.pth")
    build_teacher(student, classifier=dict(prefix="fc"))


def test_mobilenet_v2_without_its_last_convolution(tmp_path):
    cfg, network, side = FAMILIES["MobileNetV2"]
    extra = {"head.fc.weight": torch.zeros(11, 80)}
    message = r"has 5 tensors that neither MobileNetV2 .* takes: conv2\.conv\.weight"
    refused(cfg, network, side, tmp_path, message, add=extra)


@pytest.mark.parametrize(
    ("drop", "add", "message"),
    [
        (["norm"], {}, r"has none for a final norm, where one is needed: norm or ln1"),
        ([], {"fc_norm.weight": torch.ones(16)}, r"has norm, fc_norm for a final norm"),
        ([], {"pre_logits.fc.weight": torch.ones(16, 16)}, r"takes: pre_logits\.fc\.weight"),
        (["head"], {}, "carries no ImageNet classifier that is known"),
    ],
)
def test_vit_files_with_another_end(tmp_path, drop, add, message):
    refused(VIT, transformers.vit, 32, tmp_path, message, drop, add)


def test_vit_without_its_class_token(tmp_path):
    cfg = dict(VIT, with_cls_token=False)
    refused(cfg, transformers.vit, 32, tmp_path, "VisionTransformer is not known: with_cls_token=F")


def test_vit_at_a_feature_without_the_class_token(tmp_path):
    written(transformers.vit, 32, tmp_path / "imagenet.pth")
    with pytest.raises(ValueError, match="takes tokens that feature=-1 does not hold"):
        build_teacher(build(VIT, tmp_path / "imagenet.pth"), feature=-1)


def test_twins_with_norms_between_its_stages(tmp_path):
    cfg = dict(SVT, norm_after_stage=True)
    network = partial(transformers.twins, window=2)
    norms = {f"norm_list.{i}.{n}": torch.ones(w) for i, w in enumerate((8, 16, 16, 16))
             for n in ("weight", "bias")}  # fmt: skip
    refused(cfg, network, 64, tmp_path, "SVT is not known: with norm_after_stage=True", add=norms)


class WithToken(BaseModule):
    """Somebody's transformer."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.conv(x)


NO_KNOWN_END = {
    "HRNet": dict(
        type="mmseg.HRNet", norm_cfg=BN,
        extra={f"stage{i}": dict(num_modules=1, num_branches=i, num_blocks=(1,) * i,
                                 num_channels=(16,) if i == 1 else (4, 8, 8, 8)[:i],
                                 block="BOTTLENECK" if i == 1 else "BASIC") for i in range(1, 5)},
    ),
    "BiSeNetV2": dict(type="mmseg.BiSeNetV2", detail_channels=(8, 8, 16), semantic_channels=(
        8, 8, 8, 16), semantic_expansion_ratio=1, bga_channels=16, norm_cfg=BN),
    "CGNet": dict(type="mmseg.CGNet", num_channels=(8, 16, 16), num_blocks=(1, 1), norm_cfg=BN,
                  reductions=(4, 4)),
    "DDRNet": dict(type="mmseg.DDRNet", channels=8, ppm_channels=16, norm_cfg=BN),
    "ERFNet": dict(type="mmseg.ERFNet", norm_cfg=BN),
    "FastSCNN": dict(type="mmseg.FastSCNN", norm_cfg=BN),
    "PIDNet": dict(type="mmseg.PIDNet", channels=8, ppm_channels=8, num_stem_blocks=1,
                   num_branch_blocks=1, norm_cfg=BN),
    "UNet": dict(type="mmseg.UNet", base_channels=4, num_stages=2, strides=(1, 1),
                 enc_num_convs=(1, 1), dec_num_convs=(1,), downsamples=(True,),
                 enc_dilations=(1, 1), dec_dilations=(1,), norm_cfg=BN),
    "WithToken": dict(type="WithToken"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_KNOWN_END)
def test_backbones_whose_networks_end_otherwise(name, tmp_path):
    register_all_modules()  # UNet builds its parts in the default scope
    MODELS.register_module(module=WithToken, force=True)
    state = MODELS.build(NO_KNOWN_END[name]).state_dict()
    torch.save({**state, "fc.weight": torch.zeros(11, 8)}, tmp_path / "imagenet.pth")
    student = build(NO_KNOWN_END[name], tmp_path / "imagenet.pth")
    with pytest.raises(ValueError, match=f"the ImageNet prediction of {name} is not known: .*Feat"):
        build_teacher(student)
    assert build_teacher(student, with_classifier=False).classifier is None


def test_every_backbone_of_mmseg_is_decided_on():
    from mmseg.models import backbones

    tested = {cfg["type"].removeprefix("mmseg.") for cfg, _, _ in FAMILIES.values()}
    nested = {"BiSeNetV1", "STDCContextPathNet", "ICNet"}  # test_teacher.py
    # They name no ImageNet file of their own: timm's weights and Stable Diffusion's.
    without = {"TIMMBackbone", "VPD"}
    assert set(backbones.__all__) <= tested | set(NO_KNOWN_END) | nested | without


def test_position_biases_and_masks_of_a_file_do_not_matter(tmp_path):
    """Swin's files hold attention masks, which mmseg computes."""
    cfg, network, side = FAMILIES["Swin"]
    masks = {"stages.0.blocks.1.attn_mask": torch.zeros(4, 4, 4)}
    images, expected = written(network, side, tmp_path / "imagenet.pth", add=masks)
    logits = build_teacher(build(cfg, tmp_path / "imagenet.pth"))(images).logits
    assert (logits - expected).abs().max() <= 1e-3 * expected.abs().max()


def test_file_of_mmpretrain_with_its_prefixes(tmp_path):
    cfg, network, side = FAMILIES["ConvNeXt"]
    images, expected = written(network, side, tmp_path / "plain.pth")
    state = {k if k.startswith("head") else f"backbone.{k}": v
             for k, v in torch.load(tmp_path / "plain.pth").items()}  # fmt: skip
    torch.save({"state_dict": state}, tmp_path / "imagenet.pth")
    student = build(cfg, tmp_path / "imagenet.pth", prefix="backbone.")
    logits = build_teacher(student)(images).logits
    assert (logits - expected).abs().max() <= 1e-3 * expected.abs().max()
