import pytest
import torch
from torch import nn

from mmasg.consistency.taps import FeatureTap, LossTap, select_feature


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.norm3 = nn.BatchNorm2d(2)

    def forward(self, x):
        y = self.conv(x)
        return (y, self.norm3(y))


class Model(nn.Module):
    def forward(self, inputs, data_samples=None, mode="tensor"):
        return dict(loss=inputs.sum()) if mode == "loss" else inputs


def test_records_input_and_feature_only_while_enabled():
    net = Backbone()
    tap = FeatureTap(net, 0, "key")
    x = torch.randn(1, 3, 4, 4)
    net(x)
    assert tap.features == []
    tap.enabled = True
    out = net(x)
    assert tap.inputs[0] is x and tap.features[0] is out[0]
    tap.clear()
    assert tap.inputs == tap.features == []
    tap.remove()
    net(x)
    assert tap.features == []


def test_input_of_a_submodule():
    net = Backbone()
    tap = FeatureTap(net, "norm3", "key")
    tap.enabled = True
    out = net(torch.randn(1, 3, 4, 4))
    assert tap.features == [out[0]] and len(tap.inputs) == 1


def test_output_of_a_submodule():
    net = Backbone()
    tap = FeatureTap(net, "norm3:output", "key")
    tap.enabled = True
    out = net(torch.randn(1, 3, 4, 4))
    assert tap.features == [out[1]] and len(tap.inputs) == 1


def test_calls_by_keyword():
    net = Backbone()
    taps = [FeatureTap(net, feature, "key") for feature in (0, "conv", "conv:output")]
    for tap in taps:
        tap.enabled = True
    x = torch.randn(1, 3, 4, 4)
    out = net(x=x)
    assert all(tap.inputs[0] is x for tap in taps)
    assert taps[0].features == taps[2].features == [out[0]] and taps[1].features[0] is x


def test_errors():
    with pytest.raises(ValueError, match="key: Backbone has no submodule 'norm4'; it has conv, no"):
        FeatureTap(Backbone(), "norm4", "key")
    with pytest.raises(ValueError, match="key: got index 4, but the backbone returns 2 feature"):
        select_feature((torch.ones(1), torch.ones(1)), 4, "key")
    with pytest.raises(ValueError, match="output 0 of the backbone is a tuple, not a tensor"):
        select_feature(((torch.ones(1),),), 0, "key")
    assert select_feature(torch.ones(3), -1, "key").shape == (3,)


@pytest.mark.parametrize(
    ("args", "kwargs", "called"),
    [((), dict(mode="loss"), True), ((None, "loss"), {}, True), ((), {}, False),
     ((), dict(mode="predict"), False)],
)  # fmt: skip
def test_loss_tap(args, kwargs, called):
    calls = []
    model = Model()
    tap = LossTap(model, lambda: calls.append("before"), lambda losses: dict(extra=len(losses)))
    out = model(torch.ones(2), *args, **kwargs)
    assert calls == (["before"] if called else [])
    assert (out == dict(loss=2.0, extra=1)) if called else torch.is_tensor(out)
    tap.remove()
    assert "extra" not in model(torch.ones(2), mode="loss")
