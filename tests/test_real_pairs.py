"""The configs on real photographs, on tiny files of the same form."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from street_files import write_ids, write_image

from mmasg.datasets.conversion_record import ConversionRecord, record_path
from mmasg.datasets.taxonomy import load_taxonomy

ROOT = Path(__file__).parents[1]
TAXONOMY = load_taxonomy(ROOT / "configs/taxonomies/carla_camvid.yaml")
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")


def frames(root, labels):
    names = [f"{number:03d}" for number in range(6)]
    for number, name in enumerate(names):
        small = Image.open(write_image(root / f"images/{name}.png", size=(12, 9), seed=number))
        small.resize((96, 72), Image.Resampling.BICUBIC).save(root / f"images/{name}.png")
        ids = [7, 2, 0, number % 10, 255]
        write_ids(root / f"labels/{name}_labelTrainIds.png", ids, size=(96, 72))
    (root / "train.txt").write_text("\n".join(names[:4]))
    (root / "val.txt").write_text("\n".join(names[4:]))
    parameters = ConversionRecord.of(TAXONOMY, labels, img_suffix=".png").parameters()
    record_path(root / "labels", "_labelTrainIds.png").write_text(json.dumps(parameters))


def pictures(root, count):
    for label, name in enumerate(CLASSES):
        for number in range(count):
            colour = np.random.default_rng([label, number]).integers(0, 256, 3)
            path = root / name / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (70, 64), tuple(map(int, colour))).save(path)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folders that the configs expect, below the working directory."""
    frames(tmp_path / "data/carla", "carla_0.9.10")
    frames(tmp_path / "data/camvid", "camvid")
    pictures(tmp_path / "data/pacs/cartoon", 3)
    pictures(tmp_path / "data/pacs/photo", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(name, folder, iterations, **train_cfg):
    cfg = Config.fromfile(ROOT / f"configs/asg/{name}.py")
    cfg.work_dir = str(folder)
    cfg.env_cfg.cudnn_benchmark = False
    cfg.visualizer.vis_backends = [dict(type="LocalVisBackend")]
    cfg.train_cfg.update(train_cfg)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.update(interval=iterations, max_keep_ckpts=5)
    return cfg


def test_carla_to_camvid_trains_and_is_tested(data):
    cfg = config("carla2camvid", data / "run", 2, max_iters=2, val_interval=2)
    cfg.model.data_preprocessor.size = (64, 64)
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.dataset.dataset.pipeline[2].crop_size = (64, 64)
    cfg.custom_hooks[2].window = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert (data / "run/iter_2.pth").is_file()
    found = runner.test()
    assert {"mIoU", "mIoU_without_rare", "IoU/traffic_sign"} <= found.keys()
    # Validated on CamVid's train, tested on its val, trained on CARLA's train.
    for loader, root, names in (
        (runner.train_dataloader, "data/carla", ["000", "001", "002", "003"]),
        (runner.val_dataloader, "data/camvid", ["000", "001", "002", "003"]),
        (runner.test_dataloader, "data/camvid", ["004", "005"]),
    ):
        paths = [Path(loader.dataset.get_data_info(i)["img_path"]) for i in range(len(names))]
        assert [path.stem for path in paths] == names
        assert {str(path.parents[1]) for path in paths} == {root}
        assert loader.dataset.metainfo["classes"] == TAXONOMY.classes
    clean, shifted = (
        [sample for batch in runner.build_dataloader(cfg[loader]) for sample in batch["inputs"]]
        for loader in ("source_dataloader", "shifted_source_dataloader")
    )
    assert len(clean) == len(shifted) == 2
    assert not any(torch.equal(one, other) for one, other in zip(clean, shifted, strict=True))


def cls(folder, iterations):
    cfg = config("pacs_cartoon2photo_consistency", folder, 2, max_epochs=1, val_interval=1)
    for loader in ("train", "val", "test", "source", "shifted_source"):
        dataset = cfg[f"{loader}_dataloader"].dataset
        pipeline = dataset.get("dataset", dataset).pipeline
        pipeline[1].size, pipeline[2].crop_size = 32, 32
        cfg[f"{loader}_dataloader"].batch_size = 4
    cfg.train_dataloader.dataset.dataset.indices = 2 * iterations * 2
    return cfg


def test_cartoons_to_photographs_hold_a_part_out(data):
    runner = Runner.from_cfg(cls(data / "whole", 3))
    runner.train()
    # Of three cartoons a class one is held out, and never trained on.
    assert len(runner.val_dataloader.dataset) == 7
    train = {runner.train_dataloader.dataset.get_data_info(i)["img_path"] for i in range(12)}
    held = {runner.val_dataloader.dataset.get_data_info(i)["img_path"] for i in range(7)}
    assert not train & held
    found = runner.test()
    assert {"accuracy/mean", "accuracy/giraffe"} <= found.keys()
