"""The commands as a user types them, on a few small frames in the originals' layouts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import street_files
import torch

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/asg/mini_gta2cityscapes_consistency.py"
SIZE = (64, 64)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for number in range(1, 7):
        image = street_files.write_image(root / f"gta5/images/{number:05d}.png", SIZE, number)
        name = image.parents[1] / "labels" / f"{number:05d}_labelTrainIds.png"
        street_files.write_ids(name, [0, 13, 10], size=SIZE)
    stems = [f"{number:05d}\n" for number in range(1, 7)]
    (root / "gta5/train.txt").write_text("".join(stems[:4]))
    (root / "gta5/val.txt").write_text("".join(stems[4:]))
    for split in ("val", "test"):
        for number in range(2):
            stem = f"{split}/ulm/ulm_{number:06d}_000019"
            target = root / "cityscapes"
            street_files.write_image(target / f"leftImg8bit/{stem}_leftImg8bit.png", SIZE, number)
            labels = target / f"gtFine/{stem}_gtFine"
            street_files.write_ids(Path(f"{labels}_labelIds.png"), [7, 26, 23, 0], size=SIZE)
            street_files.write_ids(Path(f"{labels}_labelTrainIds.png"), [0, 13, 10, 255], size=SIZE)
    return root


def options(data):
    source, target = data / "gta5", data / "cityscapes"
    train = "train_dataloader.dataset.dataset"
    return [
        "--cfg-options",
        f"{train}.data_root={source}",
        f"{train}.pipeline.3.scale=(64,64)",
        f"{train}.pipeline.4.crop_size=(32,32)",
        f"{train}.pipeline.5.size=(32,32)",
        "model.data_preprocessor.size=(32,32)",
        f"source_dataloader.dataset.data_root={source}",
        f"val_dataloader.dataset.data_root={target}",
        f"test_dataloader.dataset.data_root={target}",
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=2",
        "train_dataloader.batch_size=2",
        "default_hooks.checkpoint.interval=1",
    ]


def run(*command, code=0):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("run")
    log = run("tools/train.py", CONFIG, "--work-dir", work_dir, *options(data))
    return work_dir, log


@pytest.mark.slow
def test_training_logs_groups_losses_and_leaves_the_last_checkpoint(trained):
    work_dir, log = trained
    assert "student and teacher agree" in log
    assert "5  stage5  backbone.stages.5.*" in log
    (scalars,) = work_dir.glob("*/vis_data/scalars.json")
    assert (work_dir / "iter_2.pth").is_file()
    validation = json.loads(scalars.read_text().splitlines()[-1])
    assert 0 <= validation["mIoU"] <= 100 and "IoU/road" in validation


@pytest.mark.slow
def test_testing_agrees_with_cityscapesscripts_to_the_printed_digit(trained, data, tmp_path):
    work_dir, _ = trained
    metrics_file = tmp_path / "metrics.json"
    run(
        *("tools/test.py", CONFIG, work_dir / "iter_2.pth", "--work-dir", tmp_path / "test"),
        *("--cityscapes", "--json", metrics_file, "--out", tmp_path / "out"),
        *("--show-dir", tmp_path / "pictures"),
        *options(data),
    )
    metrics = json.loads(metrics_file.read_text())
    assert f"{metrics['mIoU']:.2f}" == f"{metrics['cityscapes/mIoU']:.2f}"
    for name in ("road", "car", "sky"):
        assert metrics[f"IoU/{name}"] == pytest.approx(metrics[f"cityscapes/IoU/{name}"], abs=0.005)
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 2


@pytest.mark.slow
def test_another_dataloader_of_the_config_can_be_tested(trained, data, tmp_path):
    work_dir, _ = trained
    arguments = ["tools/test.py", CONFIG, work_dir / "iter_2.pth", "--work-dir", tmp_path]
    file = tmp_path / "m.json"
    run(*arguments, "--dataloader", "source_dataloader", "--json", file, "--tta", *options(data))
    assert "IoU/road" in json.loads(file.read_text())
    output = run(*arguments, "--dataloader", "source", *options(data), code=1)
    assert "--dataloader: got 'source'" in output and "source_dataloader" in output


@pytest.mark.slow
def test_prediction_writes_labels_and_overlays(trained, data, tmp_path):
    work_dir, _ = trained
    images = data / "cityscapes/leftImg8bit/test"
    run("tools/predict.py", CONFIG, work_dir / "iter_2.pth", images, "--out", tmp_path)
    labels = sorted(tmp_path.glob("*_labelTrainIds.png"))
    assert [p.name for p in labels] == [
        f"ulm_ulm_{n:06d}_000019_leftImg8bit_labelTrainIds.png" for n in range(2)
    ]
    ids = cv2.imread(str(labels[0]), cv2.IMREAD_UNCHANGED)
    assert ids.shape == (64, 64) and ids.max() < 19
    overlay = cv2.imread(str(labels[0]).replace("labelTrainIds", "overlay"))
    assert overlay.shape == (64, 64, 3) and len(np.unique(overlay)) > 10


@pytest.mark.slow
def test_prediction_goes_on_after_a_broken_image(trained, tmp_path):
    work_dir, _ = trained
    for name in "abc":
        street_files.write_image(tmp_path / f"{name}.png", SIZE)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:900])
    command = ["tools/predict.py", CONFIG, work_dir / "iter_2.pth", tmp_path]
    command += ["--out", tmp_path / "out"]
    for _ in range(2):  # the second run does not predict what the first one wrote
        output = run(*command, code=1)
        assert "2 image(s) predicted" in output and "1 could not be predicted" in output
        assert "b.png is truncated or no image" in output and "Traceback" not in output
        assert sorted(p.name for p in (tmp_path / "out").glob("*overlay*")) == [
            *("a_overlay.png", "c_overlay.png")
        ]


def test_missing_checkpoint_says_where_training_writes(tmp_path):
    output = run("tools/test.py", CONFIG, tmp_path / "iter_9.pth", code=1)
    assert "no file" in output and "work_dirs/mini_gta2cityscapes_consistency" in output


def test_prediction_of_an_empty_folder_names_it(tmp_path):
    torch.save({}, tmp_path / "empty.pth")
    output = run("tools/predict.py", CONFIG, tmp_path / "empty.pth", tmp_path, code=1)
    assert "holds no image" in output


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save({"state_dict": {"backbone.x": torch.zeros(1)}}, tmp_path / "other.pth")
    street_files.write_image(tmp_path / "a.png")
    output = run("tools/predict.py", CONFIG, tmp_path / "other.pth", tmp_path / "a.png", code=1)
    assert "does not fit the config's model" in output and "backbone.x" in output
