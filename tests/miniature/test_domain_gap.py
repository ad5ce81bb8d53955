"""tools/analysis/domain_gap.py on a handful of frames."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmasg.datasets.dataset_configs import innermost
from mmasg.miniature import street_task
from mmasg.miniature.classes import TRAIN_CLASSES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "analysis" / "domain_gap.py"
    spec = importlib.util.spec_from_file_location("domain_gap", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight frames of the source and four of each split of the target, with training ids."""
    out = tmp_path_factory.mktemp("miniature")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(street_task, "SOURCE_FRAMES", 8)
        patch.setattr(street_task, "SOURCE_VAL", 0)
        for split in ("val", "test"):
            patch.setitem(street_task.TARGET_FRAMES, split, 4)
        for job in street_task.STREET.plan(out, 0):
            job.function(*job.arguments)
        street_task.STREET.finish(out, 0)
    train_ids = np.full(256, 255, dtype=np.uint8)
    train_ids[list(TRAIN_CLASSES)] = range(19)
    for path in [*out.glob("gta5/labels/*.png"), *out.rglob("*_labelIds.png")]:
        name = path.name.replace("_labelIds.png", ".png").replace(".png", "_labelTrainIds.png")
        Image.fromarray(train_ids[np.asarray(Image.open(path))]).save(path.with_name(name))
    return out


@pytest.fixture
def overrides(data):
    prefix = "dataset.data_root"
    return {
        f"train_dataloader.dataset.{prefix}": str(data / "gta5"),
        f"val_dataloader.{prefix}": str(data / "cityscapes"),
        f"test_dataloader.{prefix}": str(data / "cityscapes"),
        "train_dataloader.batch_size": 2,
        "train_cfg.max_iters": 2,
    }


@pytest.fixture
def cfg(tool, overrides, tmp_path):
    cfg = Config.fromfile(ROOT / tool.DEFAULT_CONFIG)
    cfg.merge_from_dict(overrides)
    cfg.work_dir = str(tmp_path)
    return cfg


def test_evenly(tool):
    assert tool.evenly(4, 8) == [0, 2, 4, 6]
    assert tool.evenly(3, 3) == [0, 1, 2]
    with pytest.raises(ValueError, match="9 frames were asked for; 1 to 8 can be had"):
        tool.evenly(9, 8)


def test_probe_separates_what_is_separate_and_nothing_else(tool):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(4, 100, 5))
    assert 0.3 < tool.probe_accuracy((rows[0], rows[1]), (rows[2], rows[3])) < 0.7
    rows[1::2, :, 2] += 20
    assert tool.probe_accuracy((rows[0], rows[1]), (rows[2], rows[3])) == 1.0


def test_arms_differ_in_their_frames_alone(tool, cfg):
    source = tool.segmentor_config(cfg, "source", 2)
    target = tool.segmentor_config(cfg, "target", 2)
    one, other = (
        next(innermost(arm.train_dataloader.dataset)).to_dict() for arm in (source, target)
    )
    assert one.pop("pipeline") == other.pop("pipeline")
    assert other["indices"] == [0, 2]
    assert other["type"] == "Cityscapes19Dataset" and one["type"] == "GTA5Dataset"
    assert Path(source.work_dir).name == "source" and Path(target.work_dir).name == "target"
    for arm in (source, target):
        assert arm.val_dataloader is None and arm.val_cfg is None and arm.val_evaluator is None
        arm.pop("train_dataloader")
        arm.pop("work_dir")
    assert source.to_dict() == target.to_dict()
    assert cfg.val_dataloader is not None


def test_backbone_without_checkpoint_is_an_error_that_helps(tool, cfg):
    cfg.model.backbone.init_cfg = None
    with pytest.raises(ValueError, match=r"model\.backbone\.init_cfg is missing.*--only"):
        tool.build_features(cfg)


def test_report(tool):
    text = tool.report(
        dict(
            probe_accuracy=0.985,
            probe_frames_held_out=100,
            target_frames=50,
            source_frames=350,
            miou_target_trained=46.24,
            miou_source_trained=25.0,
        )
    )
    assert "98.5% of 100 held-out" in text
    assert "50 target frames:  46.2" in text and "350 source frames:  25.0" in text
    assert "gap: 21.2 points" in text


def test_whole_tool(tool, data, overrides, tmp_path, capsys):
    options = [f"{key}={value}" for key, value in overrides.items()]
    figures = tool.main(
        [
            str(ROOT / tool.DEFAULT_CONFIG),
            *("--work-dir", str(tmp_path), "--target-frames", "2", "--probe-frames", "8"),
            "--cfg-options",
            *options,
        ]
    )
    assert json.loads((tmp_path / "domain_gap.json").read_text()) == figures
    # even eight frames of each domain are told apart
    assert figures["probe_accuracy"] >= 0.75
    assert figures["source_frames"] == 8 and figures["target_frames"] == 2
    for arm in ("source", "target"):
        assert 0 <= figures[f"miou_{arm}_trained"] <= 100
        assert (tmp_path / arm).is_dir()
    assert "linear probe" in capsys.readouterr().out
