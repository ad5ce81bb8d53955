import csv

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from seg_toy import resnet18, segmentor

from mmasg.prediction.predictor import Predictor, choose_device

LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


def predictor(folder, model, dataset, pipeline=LOAD):
    cfg = Config(
        dict(
            default_scope="mmseg",
            model=model,
            test_dataloader=dict(dataset=dict(dataset, pipeline=pipeline)),
        )
    )
    init_default_scope("mmseg")
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), folder / "model.pth")
    return Predictor(cfg, str(folder / "model.pth"), torch.device("cpu"))


def images(folder, *names, size=(48, 32)):
    generator = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return [folder / name for name in names]


def read(path):
    return np.asarray(Image.open(path)).astype(int)


def test_segmentation_with_one_broken_image(tmp_path):
    made = images(tmp_path / "in", "a.png", "b.png", "sub/c.png")
    made[1].write_bytes(made[1].read_bytes()[:900])
    # Classes of one's own, a subset of Cityscapes': its colours go by name.
    metainfo = dict(classes=("sky", "road", "car"))
    model = predictor(tmp_path, segmentor(resnet18()), dict(type="GTA5Dataset", metainfo=metainfo))
    out = tmp_path / "out"
    failed = model.write(made, tmp_path / "in", out, opacity=0.25)
    assert list(failed) == [made[1]] and "b.png is truncated or no image" in failed[made[1]]
    stems = ("a", "sub_c")
    assert sorted(p.name for p in out.iterdir()) == sorted(
        f"{stem}_{kind}.png" for stem in stems for kind in ("labelTrainIds", "overlay")
    )
    colours = np.array([(70, 130, 180), (128, 64, 128), (0, 0, 142)])
    for stem, image in zip(stems, (made[0], made[2]), strict=True):
        labels = read(out / f"{stem}_labelTrainIds.png")
        sample = model.predict(image)
        assert np.array_equal(labels, sample.pred_sem_seg.data[0].numpy())
        expected = 0.25 * colours[labels] + 0.75 * read(image)
        assert np.abs(read(out / f"{stem}_overlay.png") - expected).max() <= 0.5


def test_an_image_that_the_transforms_refuse_leaves_the_rest(tmp_path):
    made = images(tmp_path / "in", "a.png", "b.png")
    model = predictor(tmp_path, segmentor(resnet18()), dict(type="GTA5Dataset"))
    model.pipeline.transforms.insert(1, lambda r: None if "a.png" in r["img_path"] else r)
    failed = model.write(made, tmp_path / "in", tmp_path / "out", 0.6)
    assert list(failed) == [made[0]] and failed[made[0]].split(":")[0].endswith("Error")
    assert (tmp_path / "out/b_overlay.png").is_file()


def test_more_than_256_classes_are_written_in_16_bits(tmp_path):
    model = predictor(tmp_path, segmentor(resnet18()), dict(type="GTA5Dataset"))
    labels = np.array([[0, 18], [300, 299]])
    model._write_labels(labels, np.zeros((2, 2, 3), np.uint8), tmp_path / "x", 1.0)
    assert np.array_equal(read(tmp_path / "x_labelTrainIds.png"), labels)
    painted = read(tmp_path / "x_overlay.png")
    assert painted[0, 0].tolist() == [128, 64, 128]  # road's, as Cityscapes paints it
    assert painted[1, 0].tolist() != painted[1, 1].tolist()


def test_classification_writes_a_table(tmp_path):
    made = images(tmp_path / "in", "a.png", "b.png", size=(32, 32))
    made[0].write_bytes(b"no image")
    classifier = dict(
        type="SynRealClassifier",
        data_preprocessor=dict(type="SameSizeDataPreprocessor", mean=[127] * 3, std=[60] * 3),
        backbone=resnet18(),
        head=dict(type="MLPClassifierHead", in_channels=64, num_classes=12),
    )
    pipeline = [dict(type="LoadImageFromFile"), dict(type="PackClassification")]
    model = predictor(tmp_path, classifier, dict(type="VisDADataset"), pipeline)
    assert list(model.write(made, tmp_path / "in", tmp_path / "out", 0.6)) == [made[0]]
    with open(tmp_path / "out/predictions.csv", newline="") as file:
        head, row = csv.reader(file)
    assert head == ["image", "prediction", "score"] and row[0] == str(made[1])
    sample = model.predict(made[1])
    assert float(row[2]) == pytest.approx(float(sample.pred_score.max()), abs=5e-5)


def test_pipeline_of_joined_targets_is_the_first_ones(tmp_path):
    parts = [dict(type="GTA5Dataset", pipeline=LOAD), dict(type="GTA5Dataset", pipeline=[])]
    dataset = dict(type="ConcatDataset", datasets=parts)
    model = predictor(tmp_path, segmentor(resnet18()), dataset)
    assert [type(step).__name__ for step in model.pipeline.transforms] == [
        *("LoadImageFromFile", "PackSegInputs")
    ]
    with pytest.raises(ValueError, match="no test_dataloader.dataset.pipeline"):
        Predictor(Config(dict(model=dict())), "none.pth", torch.device("cpu"))


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_device(None).type == "cpu"
    with pytest.raises(ValueError, match="--device: got 'gpu'; allowed: cpu, cuda, cuda:1"):
        choose_device("gpu")
    with pytest.raises(ValueError, match="--device: got 'cuda'; .*Use --device cpu"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device(None).type == "cuda"
    with pytest.raises(ValueError, match="one of the 2 GPUs"):
        choose_device("cuda:2")
