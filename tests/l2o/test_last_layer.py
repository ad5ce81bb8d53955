import pytest
import torch
from torch import nn

from mmasg.l2o import LastLayer


class Net(nn.Module):
    def __init__(self, cascade=False, use_conv_seg=True, bare=False):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 2, 2)
        self.conv = nn.Conv2d(2, 3, 1)
        self.unused = nn.Linear(2, 2)
        head = nn.Module()
        head.conv_seg = nn.Conv2d(2, 2, 1)
        self.use_conv_seg = use_conv_seg
        if not bare:
            self.decode_head = nn.ModuleList([nn.Module(), head]) if cascade else head
        self.head = [head]

    def forward(self, x):
        if self.use_conv_seg:
            self.head[0].conv_seg(x)
        return self.up(self.conv(x))


X = torch.zeros(1, 2, 4, 4)


@pytest.mark.parametrize(
    "kwargs, expected",
    [
        (dict(), "decode_head.conv_seg"),
        (dict(cascade=True), "decode_head.1.conv_seg"),
        (dict(use_conv_seg=False), "up"),
        (dict(bare=True), "up"),
    ],
)
def test_default(kwargs, expected):
    net = Net(**kwargs)
    last = LastLayer(net)
    net(X)
    assert last.name == expected
    assert last.weight is dict(net.named_parameters())[f"{expected}.weight"]
    assert all(not m._forward_hooks for m in net.modules())


def test_by_name():
    net = Net()
    assert LastLayer(net, "conv").weight is net.conv.weight


def test_errors_name_candidates():
    with pytest.raises(ValueError, match="'convv' is no module .*'up', 'conv', 'unused'"):
        LastLayer(Net(), "convv")
    with pytest.raises(ValueError, match="'decode_head' has no weight"):
        LastLayer(Net(), "decode_head")
    net = nn.Sequential(nn.LayerNorm(4))
    last = LastLayer(net)
    net(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="set `last_layer`"):
        last.weight  # noqa: B018
