"""Every decode head of mmseg computes its training loss in every eval mode."""

import copy
import importlib.util

import pytest
import torch
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from seg_toy import log_text, resnet18, segmentor, toy_config, train, write_imagenet_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmasg.consistency.eval_mode import EvalMode, is_dropout

BN = dict(type="BN")
CE = dict(type="mmseg.CrossEntropyLoss")
LAST = dict(in_channels=64, in_index=3, channels=8, num_classes=3, norm_cfg=BN,
            align_corners=False, dropout_ratio=0.1, loss_decode=CE)  # fmt: skip
ALL = dict(LAST, in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3])
VIT = dict(type="mmseg.VisionTransformer", img_size=64, patch_size=16, embed_dims=16, num_layers=4,
           num_heads=2, out_indices=(0, 1, 2, 3), drop_path_rate=0.1)  # fmt: skip
OF_VIT = dict(LAST, in_channels=[16] * 4, in_index=[0, 1, 2, 3])
COARSE = dict(LAST, type="mmseg.FCNHead", num_convs=1, concat_input=False)
KERNELS = dict(
    type="mmseg.KernelUpdateHead", num_classes=3, num_ffn_fcs=2, num_heads=2, num_mask_fcs=1,
    feedforward_channels=8, in_channels=8, out_channels=8, dropout=0.1, conv_kernel_size=1,
    ffn_act_cfg=dict(type="ReLU"), with_ffn=True, feat_transform_cfg=dict(
        conv_cfg=dict(type="Conv2d"), act_cfg=None),
    kernel_updator_cfg=dict(type="mmseg.KernelUpdator", in_channels=8, feat_channels=8,
                            out_channels=8, act_cfg=dict(type="ReLU"), norm_cfg=dict(type="LN")),
)  # fmt: skip

#: Head -> (its config, or those of a cascade; the backbone, None for the ResNet).
HEADS = {
    "ANNHead": (dict(LAST, in_channels=[32, 64], in_index=[2, 3], project_channels=8), None),
    "APCHead": (dict(LAST, pool_scales=(1, 2)), None),
    "ASPPHead": (dict(LAST, dilations=(1, 2)), None),
    "CCHead": (LAST, None),
    "DAHead": (dict(LAST, pam_channels=8), None),
    "DDRHead": (
        dict(LAST, in_channels=16, in_index=-1, loss_decode=[CE, CE]),
        dict(type="mmseg.DDRNet", channels=4, ppm_channels=4, norm_cfg=BN),
    ),
    "DMHead": (dict(LAST, filter_sizes=(1, 3)), None),
    "DNLHead": (LAST, None),
    "DPTHead": (
        dict(LAST, in_channels=(16,) * 4, in_index=(0, 1, 2, 3), embed_dims=16,
             post_process_channels=[8, 8, 8, 8], input_transform="multiple_select"),
        dict(VIT, output_cls_token=True),
    ),
    "DepthwiseSeparableASPPHead": (
        dict(LAST, dilations=(1, 2), c1_in_channels=8, c1_channels=4), None,
    ),
    "DepthwiseSeparableFCNHead": (dict(LAST, num_convs=1, concat_input=False), None),
    "EMAHead": (dict(LAST, ema_channels=8, num_bases=4, num_stages=2), None),
    "EncHead": (dict(ALL, num_codes=4, loss_se_decode=dict(
        type="mmseg.CrossEntropyLoss", use_sigmoid=True)), None),
    "FCNHead": (dict(LAST, num_convs=1), None),
    "FPNHead": (dict(ALL, in_channels=[16] * 4, feature_strides=[16, 16, 16, 16]), VIT),
    "GCHead": (LAST, None),
    "ISAHead": (dict(LAST, isa_channels=8, down_factor=(2, 2)), None),
    "IterativeDecodeHead": (
        dict(num_stages=2, kernel_update_head=[KERNELS, KERNELS],
             kernel_generate_head=dict(LAST, type="mmseg.FCNHead", num_convs=1,
                                       concat_input=False)),
        None,
    ),
    "LRASPPHead": (
        dict(LAST, in_channels=(8, 8, 8), in_index=(0, 0, 0), branch_channels=(4, 8),
             input_transform="multiple_select"),
        None,
    ),
    "LightHamHead": (dict(ALL, ham_channels=8, ham_kwargs=dict(MD_R=4)), None),
    "NLHead": (LAST, None),
    "OCRHead": ([COARSE, dict(LAST, ocr_channels=8)], None),
    "PIDHead": (
        dict(LAST, in_channels=16, in_index=-1, loss_decode=[
            CE, CE, dict(type="mmseg.BoundaryLoss"),
            dict(type="mmseg.OhemCrossEntropy", min_kept=100)]),
        dict(type="mmseg.PIDNet", channels=4, ppm_channels=4, num_stem_blocks=1,
             num_branch_blocks=1, norm_cfg=BN),
    ),
    "PSAHead": (dict(LAST, mask_size=(2, 2), psa_type="collect"), None),
    "PSPHead": (dict(LAST, pool_scales=(1, 2)), None),
    "PointHead": ([COARSE, dict(LAST, in_channels=[64], in_index=[3], num_fcs=1, norm_cfg=None)],
                  None),
    "SETRMLAHead": (dict(OF_VIT, mla_channels=8, channels=32), VIT),
    "SETRUPHead": (dict(LAST, in_channels=16), VIT),
    "STDCHead": (
        dict(LAST, in_channels=16, in_index=1, num_classes=2, num_convs=1, concat_input=False,
             loss_decode=[dict(CE, use_sigmoid=True, loss_name="loss_ce"),
                          dict(type="mmseg.DiceLoss", loss_name="loss_dice")]),
        None,
    ),
    "SegformerHead": (ALL, None),
    "SegmenterMaskTransformerHead": (
        dict(LAST, in_channels=16, channels=16, num_layers=1, num_heads=2, embed_dims=16,
             norm_cfg=dict(type="LN")), VIT,
    ),
    "UPerHead": (dict(ALL, pool_scales=(1, 2)), None),
}  # fmt: skip
#: Heads that are not tried, with the reason.
NOT_TRIED = {
    "KernelUpdateHead": "a part of IterativeDecodeHead",
    "KernelUpdator": "a part of IterativeDecodeHead",
    "MaskFormerHead": "MMDetection's, which is not installed",
    "Mask2FormerHead": "MMDetection's, which is not installed",
    "VPDDepthHead": "estimates depth on Stable Diffusion's features",
    "SideAdapterCLIPHead": "needs CLIP's encoders",
}


#: Side of the images, where the head pools more than usual.
SIDES = {"LRASPPHead": 256}
#: Heads on operations that only a compiled mmcv has.
COMPILED = {"CCHead": "CrissCrossAttention", "PSAHead": "PSAMask", "PointHead": "point_sample"}


def build(name):
    if name in COMPILED and importlib.util.find_spec("mmcv._ext") is None:
        pytest.skip(f"mmcv is not compiled here, and has no {COMPILED[name]}")
    register_all_modules(init_default_scope=False)
    head, backbone = copy.deepcopy(HEADS[name])
    cascade = isinstance(head, list)
    (head[-1] if cascade else head)["type"] = f"mmseg.{name}"
    if name == "PSAHead":
        head.pop("norm_cfg")
    model = segmentor(backbone or resnet18(), head)
    if cascade:
        model.update(type="mmseg.CascadeEncoderDecoder", num_stages=2)
        model["train_cfg"] = dict(num_points=16, oversample_ratio=3, importance_sample_ratio=0.75)
        model["test_cfg"].update(subdivision_steps=1, subdivision_num_points=16, scale_factor=2)
    torch.manual_seed(0)
    model = MODELS.build(model)
    model.init_weights()
    model.train()
    return model


def losses(model, name):
    torch.manual_seed(1)
    samples, side = [], SIDES.get(name, 64)
    for _ in range(2):
        sample = SegDataSample(metainfo=dict(img_shape=(side, side)))
        classes = 2 if model.num_classes == 2 else 3
        sample.gt_sem_seg = PixelData(data=torch.randint(0, classes, (1, side, side)))
        sample.gt_edge_map = PixelData(data=torch.randint(0, 2, (1, side, side)))
        samples.append(sample)
    return model(torch.randn(2, 3, side, side), samples, mode="loss")


@pytest.mark.parametrize("mode", ["all", "pretrained"])
@pytest.mark.parametrize("name", HEADS)
def test_head_has_its_loss(name, mode):
    model = build(name)
    expected = losses(model, name)
    modes = EvalMode(model, mode)
    model.train()
    modes.apply()
    assert not any(m.training for m in model.modules() if is_dropout(m))
    norms = {n: m for n, m in model.named_modules() if isinstance(m, _BatchNorm)}
    training = {n for n, m in norms.items() if m.training}
    new = {n for n in norms if not n.startswith("backbone")}
    assert training == (set() if mode == "all" else new)
    found = losses(model, name)
    assert set(found) == set(expected)
    total = sum(value.sum() for key, value in found.items() if "loss" in key)
    assert total.isfinite()
    model.zero_grad()
    total.backward()
    with_gradient = {n for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model.train()
    sum(value.sum() for key, value in losses(model, name).items() if "loss" in key).backward()
    assert with_gradient == {n for n, p in model.named_parameters() if p.grad is not None}


def test_every_head_of_mmseg_is_tried_or_named():
    from mmseg.models import decode_heads

    assert set(decode_heads.__all__) == set(HEADS) | set(NOT_TRIED)


def test_bases_of_emanet_go_on_moving():
    model = build("EMAHead")
    EvalMode(model, "all").apply()
    before = model.decode_head.ema_module.bases.clone()
    losses(model, "EMAHead")
    assert not torch.equal(model.decode_head.ema_module.bases, before)


class Asking(nn.Module):
    """Somebody's layer that gives its loss something else in eval mode."""

    def forward(self, x):
        return (x, x) if self.training else x


def test_all_warns_of_modules_that_ask(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    MODELS.register_module(module=Asking, force=True)
    model = segmentor(resnet18(file), neck=dict(type="Asking"))
    # The neck is run in eval mode, where it passes its input on.
    hook = dict(type="EvalModeHook", mode="all")
    runner, _ = train(toy_config(tmp_path / "run", model, hooks=[hook], max_iters=1))
    assert "the code of Asking asks self.training, which is False now." in log_text(runner)
