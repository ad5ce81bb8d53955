"""configs/asg/folder_classification.py: two paths are all that a user sets."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from PIL import Image

import mmasg  # noqa: F401

CONFIG = Path(__file__).parents[2] / "configs" / "asg" / "folder_classification.py"


@pytest.fixture
def domains(tmp_path, monkeypatch):
    for key in ("TRAIN_ROOT", "TEST_ROOT"):
        for name in ("cup", "lamp", "pen"):
            (tmp_path / key / name).mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(tmp_path / key / name / "1.png")
        (tmp_path / key / ".cache").mkdir()
        monkeypatch.setenv(key, str(tmp_path / key))
    return tmp_path


def test_classes_and_paths_follow_from_the_folders(domains):
    cfg = Config.fromfile(CONFIG)
    assert cfg.model.head.num_classes == 3
    for key, root in (("train", "TRAIN_ROOT"), ("val", "TEST_ROOT"), ("test", "TEST_ROOT")):
        dataset_cfg = cfg[f"{key}_dataloader"].dataset
        assert dataset_cfg.data_root == str(domains / root)
        assert DATASETS.build(dataset_cfg).metainfo["classes"] == ("cup", "lamp", "pen")


def test_domains_that_differ_are_an_error_with_the_difference(domains):
    (domains / "TEST_ROOT" / "pen").rename(domains / "TEST_ROOT" / "pens")
    cfg = Config.fromfile(CONFIG)
    DATASETS.build(cfg.train_dataloader.dataset)
    with pytest.raises(ValueError, match=r"\(missing: pen; unexpected: pens\)"):
        DATASETS.build(cfg.val_dataloader.dataset)


def test_missing_folder_is_an_error_when_built(domains, monkeypatch):
    monkeypatch.setenv("TRAIN_ROOT", str(domains / "nowhere"))
    cfg = Config.fromfile(CONFIG)
    with pytest.raises(ValueError, match="num_classes must be .* got 0. .* check the path"):
        MODELS.build(cfg.model.head)
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere; set data_root"):
        DATASETS.build(cfg.train_dataloader.dataset)
