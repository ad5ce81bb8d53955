"""Every way by which a checkpoint file gets into the process, with hostile files."""

import re
import shutil
import sys
import urllib.error
from pathlib import Path

import mmengine.runner.checkpoint as mmengine_checkpoint
import numpy as np
import pytest
import torch
from engine_toy import run_toy, toy_config
from hostile_files import hostile_objects, write_hostile_files
from load_tool import load_tool
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from mmasg.checkpoint import mmengine_loaders
from mmasg.checkpoint.imagenet_file import read_imagenet_file
from mmasg.consistency.prediction_cache import PredictionCache
from mmasg.guard.run_check import check_run
from mmasg.guard.step_dump import load_step_dump
from mmasg.l2o.policy_file import build_policy, load_policy_file
from mmasg.prediction.image_prediction import load_weights

# A bare pickle that ends well is no file of torch's; all others are said to hold code.
REFUSED = "and was not loaded, as loading could run code|no PyTorch checkpoint"


@pytest.fixture
def hostile(tmp_path):
    """Some hostile files; after the test their code must not have run."""
    yield write_hostile_files(tmp_path / "files", tmp_path / "ran")[::5]
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def web(monkeypatch, tmp_path):
    """Addresses and object stores that give a file; what was asked for is noted."""
    asked = []

    def serve(path):
        def download(url, target, **kwargs):
            asked.append(url)
            shutil.copy(path, target)

        def get(url, backend_args):
            asked.append(url)
            return Path(path).read_bytes()

        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / f"hub_{len(asked)}"))
        monkeypatch.setattr(torch.hub, "download_url_to_file", download)
        monkeypatch.setattr(mmengine_loaders, "read_bytes", get)
        return asked

    return serve


REMOTE = [
    "https://example.org/a.pth",
    "http://example.org/a.pth",
    "torchvision://resnet18",
    "modelzoo://resnet18",
    "open-mmlab://resnet50_caffe",
    "openmmlab://resnet50_caffe",
    "mmcls://vgg11",
    "s3://bucket/a.pth",
    "petrel://bucket/a.pth",
    "cluster:s3://bucket/a.pth",
]


@pytest.mark.parametrize("scheme", REMOTE)
def test_no_remote_file_runs_code(hostile, web, scheme):
    for path in hostile:
        web(path)
        with pytest.raises(ValueError, match=REFUSED):
            CheckpointLoader.load_checkpoint(scheme, "cpu", "silent")


@pytest.mark.parametrize("scheme", REMOTE)
def test_remote_files_load(tmp_path, web, scheme):
    best = np.float32(0.5)
    weights = {"backbone.w": torch.ones(2)}
    torch.save(dict(state_dict=weights, meta=dict(best=best)), tmp_path / "a.pth")
    asked = web(tmp_path / "a.pth")
    loaded = CheckpointLoader.load_checkpoint(scheme, "cpu", "silent")
    name = "w" if scheme.startswith("mmcls") else "backbone.w"
    assert list(loaded["state_dict"]) == [name] and len(asked) == 1


def test_a_cached_download_is_not_downloaded_again(tmp_path, web, monkeypatch):
    torch.save(dict(w=torch.ones(1)), tmp_path / "a.pth")
    asked = web(tmp_path / "a.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for _ in range(2):
        CheckpointLoader.load_checkpoint("https://example.org/a.pth?x=1", "cpu", "silent")
    assert asked == ["https://example.org/a.pth?x=1"]
    assert (tmp_path / "hub/checkpoints/a.pth").is_file()


def test_names_that_are_not_known():
    for name in ("torchvision://resnet19", "open-mmlab://resnet", "mmcls://vgg1"):
        with pytest.raises(ValueError, match=f"{name}: no model of this name is known. Did you"):
            CheckpointLoader.load_checkpoint(name, "cpu", "silent")
    with pytest.raises(ValueError, match="pavi://a: .*Download the file and give its path"):
        CheckpointLoader.load_checkpoint("pavi://a", "cpu", "silent")


def test_the_first_process_of_a_machine_downloads(monkeypatch, tmp_path):
    order = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(mmengine_loaders, "get_dist_info", lambda: (rank, 2))

    def download(url, target, **kwargs):
        order.append(f"download by {rank}")
        Path(target).touch()

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    # The other process arrives first, and waits.
    rank = 1

    def barrier():
        nonlocal rank
        if rank == 1:
            order.append("1 waits")
            rank = 0
            mmengine_loaders.download("https://example.org/x.pth")
            rank = 1

    monkeypatch.setattr(mmengine_loaders, "barrier", barrier)
    mmengine_loaders.download("https://example.org/x.pth")
    assert order == ["1 waits", "download by 0"]


def test_no_network_frees_the_others_too(monkeypatch, tmp_path):
    waited = []

    def fail(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    monkeypatch.setattr(mmengine_loaders, "get_dist_info", lambda: (0, 2))
    monkeypatch.setattr(mmengine_loaders, "barrier", lambda: waited.append(1))
    with pytest.raises(urllib.error.URLError):
        mmengine_loaders.download("https://example.org/x.pth")
    assert waited == [1]


def read_package(path, monkeypatch):
    package = path.parent / "hostile_package"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir()
    shutil.copy(path, package / "a.pth")
    if str(path.parent) not in sys.path:
        monkeypatch.syspath_prepend(str(path.parent))
    read_imagenet_file("pip://hostile_package", "key")


READERS = dict(
    load_from=lambda path, patch: load_checkpoint(nn.Linear(1, 1), str(path)),
    imagenet=lambda path, patch: read_imagenet_file(str(path), "key"),
    package=read_package,
    policy=lambda path, patch: load_policy_file(path),
    policy_by_config=lambda path, patch: build_policy(dict(checkpoint=str(path))),
    step_dump=lambda path, patch: load_step_dump(path),
    prediction=lambda path, patch: load_weights(nn.Linear(1, 1), str(path)),
)


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_runs_code(hostile, reader, monkeypatch):
    for path in hostile:
        with pytest.raises(ValueError, match=REFUSED):
            READERS[reader](path, monkeypatch)


def test_neither_training_nor_resume_run_code(hostile, tmp_path):
    config = toy_config(tmp_path / "run", max_iters=1, load_from=str(hostile[0]))
    with pytest.raises(ValueError, match="load_from: .*and was not loaded"):
        check_run(config)
    for resume in (False, True):
        with pytest.raises(ValueError, match="and was not loaded"):
            run_toy(config | dict(resume=resume))


def test_the_converter_runs_no_code(hostile, tmp_path, capsys):
    convert = load_tool("model_converters/asg_checkpoint").main
    for path in hostile:
        assert convert([str(path), str(tmp_path / "out.pth")]) == 1
        assert re.search(REFUSED, capsys.readouterr().err)
    assert not (tmp_path / "out.pth").exists()


def test_cached_predictions_are_no_pickles(hostile, tmp_path):
    for number, path in enumerate(hostile):
        shutil.copy(path, tmp_path / f"{number}.npy")
    cache = PredictionCache(tmp_path, width=3)
    assert cache.lookup([b"0" * 16]) == [None]
    assert not list(tmp_path.glob("*.npy")), "damaged, as the log says"


def test_nothing_else_in_the_project_unpickles():
    root = Path(__file__).parents[2]
    unsafe = re.compile(
        r"\b(torch\.load|torch\.jit\.load|load_state_dict_from_url|pickle\.loads?|joblib\.load"
        r"|allow_pickle|yaml\.(unsafe_|full_)?load\((?!.*Loader))"
    )
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for folder in ("mmasg", "tools", "configs")
        for path in sorted((root / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if unsafe.search(line) and "`" not in line and '"' not in line
    ]
    assert [f.split(":")[0] for f in found] == ["mmasg/checkpoint/safe_checkpoint.py"], found


def test_mmengine_still_needs_our_reader(tmp_path):
    """Fails once mmengine reads safely by itself: then its loaders need no replacement."""
    ran = tmp_path / "ran"
    path = tmp_path / "a.pth"
    torch.save(hostile_objects(ran)["os.mkdir"], path)
    run_toy(toy_config(tmp_path / "run", max_iters=1))
    refused_its_own = False
    try:
        mmengine_checkpoint.load_from_local(str(path), "cpu")
    except Exception:  # the original on torch >= 2.6 is safe, and cannot read its own checkpoints
        try:
            mmengine_checkpoint.load_from_local(str(tmp_path / "run/iter_1.pth"), "cpu")
        except Exception:
            refused_its_own = True
    assert ran.exists() or refused_its_own
