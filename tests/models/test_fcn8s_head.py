import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

import mmasg  # noqa: F401
from mmasg.models.fcn8s_head import FCN8sHead, bilinear_kernel, rename_vgg16_classifier

LOSS = dict(type="CrossEntropyLoss", avg_non_ignore=True)


def head(first_padding=100, channels=8, **kwargs):
    init_default_scope("mmseg")
    module = FCN8sHead(channels=channels, first_padding=first_padding, loss_decode=LOSS, **kwargs)
    module.init_weights()
    return module.eval()


def maps(height, width, first_padding=100):
    """Backbone outputs of the right sizes, random."""
    outs = [torch.randn(1, 3, height, width)]
    size = [n + 2 * (first_padding - 1) for n in (height, width)]
    for stage, channels in ((1, 64), (2, 128), (3, 256), (4, 512), (5, 512)):
        size = [-(-n // 2) for n in size]
        if stage > 2:
            outs.append(torch.randn(1, channels, *size))
    return outs


def randomise(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)


@torch.no_grad()
@pytest.mark.parametrize("size", [2, 4, 16])
def test_bilinear_kernel_enlarges_as_interpolation_does(size):
    x = torch.randn(1, 2, 9, 7, dtype=torch.float64)
    stride = size // 2
    kernel = bilinear_kernel(2, size).double()
    ours = F.conv_transpose2d(x, kernel, stride=stride, padding=stride // 2)
    theirs = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    inner = (..., slice(stride, -stride), slice(stride, -stride))
    if size > 2:  # at stride 1 the kernel is 2 wide and has no centre
        torch.testing.assert_close(ours[inner], theirs[inner], atol=1e-6, rtol=0)
    assert not kernel[0, 1].any() and not kernel[1, 0].any()


def test_starts_with_zero_scores_and_bilinear_kernels():
    module = head()
    for layer in (module.score_fr, module.score_pool4, module.score_pool3):
        assert not layer.weight.any() and not layer.bias.any()
    for layer, size in ((module.upscore2, 4), (module.upscore_pool4, 4), (module.upscore8, 16)):
        assert torch.equal(layer.weight, bilinear_kernel(19, size))
        assert layer.bias is None
    assert not hasattr(module, "conv_seg")
    assert not module(maps(40, 50)).any()


@torch.no_grad()
@pytest.mark.parametrize("first_padding", [100, 1])
@pytest.mark.parametrize("size", [(64, 96), (33, 31), (97, 130)])
def test_output_has_the_inputs_size(first_padding, size):
    module = head(first_padding)
    assert module(maps(*size, first_padding)).shape == (1, 19, *size)


@torch.no_grad()
def test_fusion_is_the_published_one():
    module = head(num_classes=3)
    randomise(module)
    image, pool3, pool4, pool5 = maps(64, 96)
    x = F.relu(module.fc7(F.relu(module.fc6(pool5))))
    up2 = module.upscore2(module.score_fr(x))
    score4 = module.score_pool4(0.01 * pool4)
    up4 = module.upscore_pool4(up2 + score4[:, :, 5 : 5 + up2.shape[2], 5 : 5 + up2.shape[3]])
    score3 = module.score_pool3(0.0001 * pool3)
    out = module.upscore8(up4 + score3[:, :, 9 : 9 + up4.shape[2], 9 : 9 + up4.shape[3]])
    expected = out[:, :, 31 : 31 + 64, 31 : 31 + 96]
    torch.testing.assert_close(module([image, pool3, pool4, pool5]), expected)


@torch.no_grad()
def test_without_padding_every_layer_is_centred():
    """Mirrored maps give the mirrored output when all kernels are symmetric: no offset is left."""
    module = head(1, num_classes=3)
    randomise(module)
    for layer in (module.fc6, module.upscore2, module.upscore_pool4, module.upscore8):
        layer.weight.copy_(layer.weight + layer.weight.flip(2))
        layer.weight.copy_(layer.weight + layer.weight.flip(3))
    inputs = maps(64, 96, 1)
    out = module(inputs)
    for dims in ((2,), (3,)):
        mirrored = module([m.flip(dims) for m in inputs]).flip(dims)
        torch.testing.assert_close(mirrored, out, atol=1e-4, rtol=1e-4)


def test_both_variants_have_the_same_tensors():
    shapes = [{n: v.shape for n, v in head(p).state_dict().items()} for p in (1, 100)]
    assert shapes[0] == shapes[1]


def test_dropout_is_channel_dropout_in_training_only():
    module = head(dropout_ratio=0.5)
    randomise(module)
    inputs = maps(40, 40)
    assert torch.equal(module(inputs), module(inputs))
    module.train()
    assert isinstance(module.dropout, torch.nn.Dropout2d)
    assert not torch.equal(module(inputs), module(inputs))


@pytest.mark.parametrize("names", [("classifier.0", "classifier.3"), ("fc6", "fc7")])
def test_fc6_and_fc7_start_as_the_imagenet_classifier(names, tmp_path):
    weights = {}
    for value, name, shape in zip((0.1, 0.2), names, ((4096, 25088), (4096, 4096)), strict=True):
        # Expanded tensors are one number on disk.
        weights[f"{name}.weight"] = torch.full((1,), value).expand(shape)
        weights[f"{name}.bias"] = torch.full((1,), -value).expand(4096)
    torch.save(weights | {"features.0.bias": torch.zeros(64)}, tmp_path / "vgg16.pth")
    module = head(channels=4096, pretrained=str(tmp_path / "vgg16.pth"))
    for value, layer in ((0.1, module.fc6), (0.2, module.fc7)):
        assert (layer.weight == value).all()
        assert (layer.bias == -value).all()
    assert not module.score_fr.weight.any()


def test_classifier_matrices_become_convolutions_channel_by_channel():
    weight = torch.arange(512 * 49.0).expand(4096, -1)
    (fc6,) = rename_vgg16_classifier({"classifier.0.weight": weight}).values()
    assert fc6.shape == (4096, 512, 7, 7)
    # Torchvision flattens (channel, row, column).
    assert fc6[5, 3, 2, 1] == 3 * 49 + 2 * 7 + 1


def test_a_file_without_classifier_is_an_error(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg16.pth")
    with pytest.raises(ValueError, match=r"missing \['fc6.weight', .*'fc7.bias'\]"):
        head(pretrained=str(tmp_path / "vgg16.pth"))


def test_errors():
    with pytest.raises(ValueError, match="first_padding of FCN8sHead must be 100 .* got 50"):
        head(50)
    with pytest.raises(ValueError, match="takes four maps"):
        head(in_index=(0, 1))
    with pytest.raises(ValueError, match="drop input_transform"):
        head(input_transform="resize_concat")
    for mine, theirs in ((1, 100), (100, 1)):
        with pytest.raises(ValueError, match="the backbone's first_padding differs"):
            head(mine)(maps(64, 64, theirs))


class Frames(torch.utils.data.Dataset):
    """Two kinds of frames, dark and bright, with a class each."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        label = torch.full((1, 32, 48), index % 2)
        label[:, :4] = 255
        image = torch.full((3, 32, 48), 200 * (index % 2) + 20, dtype=torch.uint8)
        return dict(inputs=image, data_samples=SegDataSample(gt_sem_seg=PixelData(data=label)))


@pytest.mark.parametrize(("first_padding", "iters", "batch"), [(100, 2, 1), (1, 6, 2)])
def test_trains_under_a_runner(first_padding, iters, batch, tmp_path):
    base = f"{__file__.rsplit('/', 3)[0]}/configs/_base_/models/fcn8s_vgg16.py"
    cfg = Config.fromfile(base)
    cfg.model.backbone.update(init_cfg=None, first_padding=first_padding)
    cfg.model.decode_head.first_padding = first_padding
    # Fewer channels than the paper's, to be quick.
    cfg.model.decode_head.update(init_cfg=None, channels=16)
    cfg.model.data_preprocessor.size = (32, 48)
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, "_scope_": "mmseg"})
    model.init_weights()
    for layer in model.backbone.children():
        # PyTorch's default shrinks the signal layer by layer; this start stands in for ImageNet's.
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=dict(
            dataset=Frames(),
            batch_size=batch,
            sampler=dict(type="InfiniteSampler", shuffle=True),
            collate_fn=dict(type="pseudo_collate"),
        ),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=iters),
        optim_wrapper=dict(optimizer=dict(type="Adam", lr=1e-4)),
        default_hooks=dict(checkpoint=None, logger=dict(type="LoggerHook", interval=1)),
        default_scope="mmseg",
        randomness=dict(seed=0),
        experiment_name=f"fcn8s-{first_padding}",
        log_level="ERROR",
    )
    runner.train()
    losses = runner.message_hub.get_scalar("train/decode.loss_ce").data[0]
    # Scores start at 0: log(19) on the labelled pixels, however many are ignored.
    assert losses[0] == pytest.approx(2.944439, rel=1e-5)
    assert losses[-1] < losses[0]
