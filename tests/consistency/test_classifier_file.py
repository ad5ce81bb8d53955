import pytest
import torch
import torch.nn.functional as F

from mmasg.consistency.classifier_file import build_classifier as build_and_tell
from mmasg.consistency.classifiers import LinearClassifier
from mmasg.consistency.imagenet_networks import NetworkEnd

NORM_FIRST = NetworkEnd(norm="norm")


def build_classifier(state, source, end=None, prefix=None):
    return build_and_tell(state, source, end, prefix)[0]


def linear(prefix, channels=6, classes=4, conv=False):
    weight = torch.randn(classes, channels)
    return {
        f"{prefix}.weight": weight[..., None, None] if conv else weight,
        f"{prefix}.bias": torch.randn(classes),
    }


@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize("prefix", ["fc", "_fc", "head", "head.fc", "classifier", "cls_head"])
def test_linear_after_global_pooling(prefix, conv):
    state = {"conv1.weight": torch.ones(2, 3, 1, 1), **linear(prefix, conv=conv)}
    classifier = build_classifier(state, "a.pth")
    x = torch.randn(2, 6, 3, 5)
    expected = F.linear(
        x.mean(dim=(2, 3)), state[f"{prefix}.weight"].flatten(1), state[f"{prefix}.bias"]
    )
    torch.testing.assert_close(classifier(x), expected)
    tokens = x.flatten(2).transpose(1, 2)
    torch.testing.assert_close(classifier(tokens), expected)
    assert classifier.in_channels == 6
    assert not classifier.training and not list(classifier.parameters())


def test_norm_before_the_pooling():
    state = {**linear("head"), "norm.weight": torch.rand(6), "norm.bias": torch.randn(6)}
    classifier = build_classifier(state, "a.pth", NORM_FIRST)
    x = torch.randn(2, 6, 3, 5)
    norm = torch.nn.LayerNorm(6)
    norm.load_state_dict({k: state[f"norm.{k}"] for k in ("weight", "bias")})
    tokens = norm(x.permute(0, 2, 3, 1)).flatten(1, 2)
    expected = F.linear(tokens.mean(1), state["head.weight"], state["head.bias"])
    torch.testing.assert_close(classifier(x), expected)
    # A file with a norm, for a backbone that has applied it already (MiT).
    plain = build_classifier(state, "a.pth")
    torch.testing.assert_close(
        plain(x), F.linear(x.mean((2, 3)), state["head.weight"], state["head.bias"])
    )


@pytest.mark.parametrize("names", [("classifier.0", "classifier.3", "classifier.6"),
                                   ("fc6", "fc7", "fc8")])  # fmt: skip
def test_vgg(names):
    shapes = [(8, 2 * 49), (8, 8), (5, 8)]
    state = {"features.0.weight": torch.ones(2, 3, 3, 3)}
    for name, shape in zip(names, shapes, strict=True):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(shape), torch.randn(shape[0])
    classifier = build_classifier(state, "vgg.pth")
    assert classifier.in_channels == 2
    x = torch.randn(3, 2, 10, 9)
    y = F.adaptive_avg_pool2d(x, (7, 7)).flatten(1)
    for i, name in enumerate(names):
        y = y @ state[f"{name}.weight"].T + state[f"{name}.bias"]
        y = y.clamp(min=0) if i < 2 else y
    torch.testing.assert_close(classifier(x), y, rtol=1e-4, atol=1e-4)


def test_named_prefix_and_missing_bias():
    state = {"fc.weight": torch.randn(4, 6), "fc.bias": torch.zeros(4)}
    state["probe.linear.weight"] = torch.randn(3, 5)
    classifier = build_classifier(state, "a.pth", prefix="probe.linear")
    assert classifier(torch.randn(1, 5, 2, 2)).shape == (1, 3)
    assert not classifier.bias.any()


def test_gradient_passes_through():
    classifier = build_classifier(linear("fc"), "a.pth")
    x = torch.randn(1, 6, 2, 2, requires_grad=True)
    classifier(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_no_classifier_names_the_ways_out():
    state = {"layers.0.weight": torch.ones(2, 2), "norm.weight": torch.ones(2)}
    message = (
        r"bare\.pth carries no ImageNet classifier that is known \(looked for fc\.weight.*"
        r"norm\.weight\).*classifier=dict\(checkpoint=.*loss=dict\(type='FeatureL2Loss'\)"
    )
    with pytest.raises(ValueError, match=message):
        build_classifier(state, "bare.pth")
    with pytest.raises(ValueError, match="carries no linear layer 'top'"):
        build_classifier(linear("fc"), "bare.pth", prefix="top")


def test_head_that_is_no_linear_layer():
    state = {"head.weight": torch.ones(4, 2, 3, 3), "head.bias": torch.ones(4)}
    with pytest.raises(ValueError, match="no ImageNet classifier that is known"):
        build_classifier(state, "hr.pth")


def test_missing_norm():
    with pytest.raises(ValueError, match=r"classifier 'head' but no 'norm\.weight' and 'norm\.b"):
        build_classifier(linear("head"), "swin.pth", NORM_FIRST)


@pytest.mark.parametrize("norm", [False, True])
def test_gradient_of_one_image_is_that_of_the_same_image_twice(norm):
    # One image alone once got wrong gradients through convolution, BatchNorm and ReLU6 on a CPU.
    torch.manual_seed(0)
    stack = torch.nn.Sequential()
    for _ in range(3):
        stack.extend(
            [torch.nn.Conv2d(8, 8, 1, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU6(True)]
        )
    stack.eval()
    values = (torch.rand(8) + 0.5, torch.randn(8)) if norm else None
    classifier = LinearClassifier(torch.randn(5, 8), torch.randn(5), values)
    image = torch.randn(1, 8, 6, 4)
    gradients = []
    for batch in (image, image.repeat(2, 1, 1, 1)):
        stack.zero_grad()
        classifier(stack(batch)).square().sum(1).mean().backward()
        gradients.append([p.grad.clone() for p in stack.parameters()])
    for one, two in zip(*gradients, strict=True):
        # Float32 sums in another order; the wrong gradients were off by a factor.
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
