import pytest
import torch
from mmengine.registry import MODELS
from seg_toy import random_state
from torch import nn

from mmasg.consistency.fold_batch_norm import fold_batch_norms


class Net(nn.Module):
    """Convolutions and norms whose definition is in another order than their use."""

    def __init__(self):
        super().__init__()
        self.norm2 = nn.BatchNorm2d(6)
        self.conv1 = nn.Conv2d(3, 6, 3)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, groups=3, bias=False)

    def forward(self, x):
        return self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))


class TwoUsers(Net):
    def forward(self, x):
        first = self.conv1(x)
        return self.norm1(first) + first


class Twice(Net):
    def forward(self, x):
        x = self.norm2(self.conv2(self.norm1(self.conv1(x))))
        return self.norm2(self.conv2(x))


class InPlace(Net):
    def forward(self, x):
        return self.norm1(self.conv1(x).relu_())


class Standardized(nn.Conv2d):
    """Weight standardization: what the convolution does is not in its weight alone."""

    def forward(self, x):
        weight = (self.weight - self.weight.mean()) / self.weight.std()
        return self._conv_forward(x, weight, self.bias)


class WithStandardized(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = Standardized(6, 6, 3, groups=3, bias=False)


def build(cls):
    torch.manual_seed(0)
    network = cls()
    for norm in (network.norm1, network.norm2):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return network.eval().requires_grad_(False)


def fold(network, images, keep=()):
    with torch.no_grad():
        before = network(images)
        count = fold_batch_norms(network, lambda: network(images), keep)
        after = network(images)
    return count, before, after


def norms(network):
    return sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())


@pytest.mark.parametrize(
    ("cls", "folded"), [(Net, 2), (TwoUsers, 0), (Twice, 1), (InPlace, 0), (WithStandardized, 0)]
)
def test_folds_what_can_be_folded_and_nothing_else(cls, folded):
    network = build(cls)
    names = [name for name, _ in network.named_parameters()]
    count, before, after = fold(network, torch.randn(2, 3, 12, 12))
    assert count == folded and norms(network) == 2 - folded
    # The product of two float32 scales instead of one after the other.
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    if not folded:
        assert [name for name, _ in network.named_parameters()] == names
        assert torch.equal(after, before)
    assert not any(p.requires_grad for p in network.parameters())


def test_leaves_norms_that_are_listened_to_and_norms_in_training_mode():
    network = build(Net)
    seen = []
    network.norm2.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    count, _, _ = fold(network, torch.randn(1, 3, 12, 12), keep=["norm2:output"])
    assert count == 1 and isinstance(network.norm2, nn.BatchNorm2d)
    torch.testing.assert_close(seen[-1], seen[0], rtol=1e-4, atol=1e-5)

    network = build(Net)
    network.norm1.train()
    images = torch.randn(4, 3, 12, 12)
    with torch.no_grad():
        assert fold_batch_norms(network, lambda: network(images)) == 1
    assert isinstance(network.norm1, nn.BatchNorm2d)


def test_keeps_the_memory_layout():
    for layout in (torch.channels_last, torch.contiguous_format):
        network = build(Net).to(memory_format=layout)
        fold(network, torch.randn(1, 3, 12, 12))
        assert network.conv1.weight.is_contiguous(memory_format=layout)


BACKBONES = [
    (dict(type="mmseg.ResNet", depth=18, in_channels=3), 20),
    (dict(type="mmseg.ResNetV1c", depth=50, dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1)), 55),
    (dict(type="mmseg.MobileNetV2"), 51),
    (dict(type="EfficientNetLite0"), 49),
]


@pytest.mark.parametrize(("cfg", "norm_count"), BACKBONES, ids=lambda v: str(v)[:40])
def test_backbones(cfg, norm_count):
    weights = random_state(cfg)
    backbone = MODELS.build(cfg)
    backbone.load_state_dict(weights)
    backbone.eval()
    assert norms(backbone) == norm_count
    torch.manual_seed(1)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = backbone(images)
        assert fold_batch_norms(backbone, lambda: backbone(images)[-1]) == norm_count
        after = backbone(images)
    assert norms(backbone) == 0
    for a, b in zip(before, after, strict=True):
        # Up to 55 layers, each with some roundings of 6e-8.
        assert (a - b).abs().max() <= 1e-4 * a.abs().max()
