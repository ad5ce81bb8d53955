import os

import pytest
import torch
from engine_toy import run_toy, toy_config
from mmengine.runner import CheckpointLoader

from mmasg.checkpoint.safe_checkpoint import load_checkpoint


class Code:
    """Makes a folder when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_code_does_not_run_through_mmengine_either(tmp_path):
    torch.save(dict(state_dict=Code(tmp_path / "ran")), tmp_path / "code.pth")
    for load in (load_checkpoint, CheckpointLoader.load_checkpoint):
        with pytest.raises(ValueError, match=r"pickled code \(posix.mkdir\) and was not loaded"):
            load(str(tmp_path / "code.pth"))
    assert not (tmp_path / "ran").exists()


def test_own_files_can_be_trusted(tmp_path, monkeypatch):
    torch.save(dict(x=Code(tmp_path / "ran")), tmp_path / "code.pth")
    monkeypatch.setenv("MMASG_TRUST_CHECKPOINTS", "1")
    load_checkpoint(tmp_path / "code.pth")
    assert (tmp_path / "ran").exists()


def test_checkpoints_of_mmengine_load(tmp_path):
    # They hold the log's history as objects, and NumPy numbers.
    run_toy(toy_config(tmp_path / "run", max_iters=2))
    content = load_checkpoint(tmp_path / "run" / "iter_2.pth", map_location="cpu")
    assert content["meta"]["iter"] == 2
    assert content["message_hub"]["log_scalars"]["train/loss"].data[0].size == 2


def test_missing_file_names_its_neighbours(tmp_path):
    torch.save({}, tmp_path / "iter_100.pth")
    with pytest.raises(FileNotFoundError, match=r"key: there is no checkpoint .*has iter_100.pth"):
        load_checkpoint(tmp_path / "iter_10.pth", key="key")


def test_every_kind_of_broken_file(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(dict(a=torch.rand(3000)), path)
    whole = path.read_bytes()
    for content in (b"", whole[:3000], whole[:-1], b"<html>", whole[:500] + whole[600:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is truncated or no PyTorch checkpoint"):
            load_checkpoint(path)
