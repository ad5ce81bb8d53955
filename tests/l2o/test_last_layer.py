import pytest
import torch
from torch import nn

from mmasg.l2o import LastLayer
from mmasg.models.classifier_head import MLPClassifierHead
from mmasg.models.fcn8s_head import FCN8sHead


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


def test_layers_that_run_after_the_head_do_not_count():
    net = Net(use_conv_seg=False)
    net.decode_head = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
    net.conv.register_forward_pre_hook(lambda *_: net.decode_head(X))  # runs, then conv and up do
    last = LastLayer(net)
    net(X)
    assert last.name == "decode_head.2"


def test_a_name_that_contradicts_the_head():
    net = Net()
    LastLayer(net, "decode_head.conv_seg")
    net(X)
    LastLayer(net, "conv")
    with pytest.raises(ValueError, match="got 'conv'; allowed: 'decode_head.conv_seg', the last"):
        net(X)
    net = Net(bare=True)  # nobody knows better
    last = LastLayer(net, "conv")
    net(X)
    assert last.weight is net.conv.weight


def test_errors_name_candidates():
    with pytest.raises(
        ValueError, match="got 'convv'; .*'up', 'conv', 'unused'.*no module.*mean 'conv'"
    ):
        LastLayer(Net(), "convv")
    with pytest.raises(ValueError, match="got 'decode_head'; .* It has no weight"):
        LastLayer(Net(), "decode_head")
    net = nn.Sequential(nn.LayerNorm(4))
    last = LastLayer(net)
    net(torch.zeros(1, 4))
    with pytest.raises(
        ValueError, match="last_layer: got None; .* ran in the model's first forward"
    ):
        last.weight  # noqa: B018


def test_the_papers_last_layers():
    """The x8 up-sampling kernel of FCN8s, the second linear layer of VisDA-17's classifier."""

    class Model(nn.Module):
        def forward(self, x):
            head = getattr(self, "decode_head", None) or self.head
            return head(x)

    model = Model()
    loss = dict(type="mmseg.CrossEntropyLoss")
    sizes = dict(num_classes=3, first_padding=1)
    model.decode_head = FCN8sHead((3, 4, 4, 4), 8, loss_decode=loss, **sizes)
    last = LastLayer(model)
    model([torch.zeros(1, c, s, s) for c, s in ((3, 32), (4, 4), (4, 2), (4, 1))])
    assert last.name == "decode_head.upscore8"
    model = Model()
    model.head = MLPClassifierHead(4, 3, hidden_channels=5)
    last = LastLayer(model)
    model([torch.zeros(1, 4, 2, 2)])
    assert last.name == "head.fc.2"
