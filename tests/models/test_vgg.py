import pytest
import torch
from mmengine.registry import MODELS
from torch.nn import functional as F

from mmasg.models.vgg import CONV_NAMES, VGG16, rename_vgg16

TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def caffe_file(**extra):
    """A VGG-16 file in Caffe's names whose tensors differ by a constant each, tiny on disk."""
    shapes = {n: v.shape for n, v in VGG16().state_dict().items()}
    weights = {n: torch.full((1,), i / 100).expand(s) for i, (n, s) in enumerate(shapes.items())}
    return weights | extra


def torchvision_file(**extra):
    position = dict(zip(CONV_NAMES, TORCHVISION, strict=True))
    return {
        f"features.{position[name.split('.')[0]]}.{name.split('.')[1]}": value
        for name, value in caffe_file().items()
    } | extra


def classifier(*names):
    shapes = ((4096, 25088), (4096, 4096), (1000, 4096))
    return {
        f"{name}.{leaf}": torch.zeros(1).expand(shape if leaf == "weight" else shape[:1])
        for name, shape in zip(names, shapes, strict=True)
        for leaf in ("weight", "bias")
    }


@pytest.mark.parametrize(
    "weights",
    [
        torchvision_file(**classifier("classifier.0", "classifier.3", "classifier.6")),
        torchvision_file(),  # mmcv's vgg16_caffe: the same names, no classifier
        caffe_file(**classifier("fc6", "fc7", "fc8")),
    ],
    ids=["torchvision", "features only", "caffe"],
)
def test_imagenet_files_load_as_they_come(weights, tmp_path):
    torch.save(weights, tmp_path / "vgg16.pth")
    init = dict(type="Pretrained", checkpoint=str(tmp_path / "vgg16.pth"))
    model = MODELS.build(dict(type="VGG16", init_cfg=init))
    model.init_weights()
    for name, expected in caffe_file().items():
        assert torch.equal(model.state_dict()[name], expected), name


def test_a_file_of_another_network_is_an_error(tmp_path):
    path = tmp_path / "vgg16.pth"
    torch.save(torchvision_file(**{"features.1.running_mean": torch.zeros(64)}), path)
    with pytest.raises(ValueError, match=r"not expected \['features.1.running_mean'\]"):
        VGG16(pretrained=str(path)).init_weights()
    weights = torchvision_file()
    del weights["features.28.bias"]
    torch.save(weights, path)
    with pytest.raises(ValueError, match=r"missing \['conv5_3.bias'\]"):
        VGG16(pretrained=str(path)).init_weights()
    with pytest.raises(FileNotFoundError, match="nowhere.pth"):
        VGG16(pretrained=str(tmp_path / "nowhere.pth")).init_weights()


def test_names_that_are_neither_are_passed_on():
    assert rename_vgg16({"conv1_1.weight": 1, "features.3.weight": 2, "fc6.bias": 3}) == {
        "conv1_1.weight": 1,
        "features.3.weight": 2,
    }


@torch.no_grad()
def test_maps_are_those_of_plain_layers():
    model = VGG16(out_indices=(0, 1, 2, 3, 4, 5), first_padding=1)
    x = torch.randn(1, 3, 37, 50)
    layers = []
    for name, after in zip(CONV_NAMES, (*CONV_NAMES[1:], "conv6_1"), strict=True):
        layers += [getattr(model, name), torch.nn.ReLU()]
        if name[4] != after[4]:
            layers.append(torch.nn.MaxPool2d(2, 2, ceil_mode=True))
    expected, out = [x], x
    for layer in layers:
        out = layer(out)
        if isinstance(layer, torch.nn.MaxPool2d):
            expected.append(out)
    for ours, theirs in zip(model(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [tuple(m.shape[2:]) for m in expected] == [
        (37, 50), (19, 25), (10, 13), (5, 7), (3, 4), (2, 2)
    ]  # fmt: skip


@torch.no_grad()
def test_the_padding_of_100_is_on_the_first_convolution_only():
    model = VGG16(out_indices=(1,))
    x = torch.randn(1, 3, 8, 6)
    padded = F.pad(x, (99,) * 4)
    plain = VGG16(out_indices=(1,), first_padding=1)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(x)[0], plain(padded)[0])
    assert len(VGG16()(x)) == 4


@pytest.mark.parametrize("indices", [(), (6,), (5, 3)])
def test_bad_out_indices(indices):
    with pytest.raises(ValueError, match="out_indices of VGG16 must be increasing"):
        VGG16(out_indices=indices)


def test_bad_first_padding():
    with pytest.raises(ValueError, match="first_padding of VGG16 .* got 0"):
        VGG16(first_padding=0)
