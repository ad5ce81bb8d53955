import json

import numpy as np
import pytest
from PIL import Image
from street_files import write_ids, write_image

from mmasg.benchmark.pictures import write_pictures
from mmasg.benchmark.results import LAST, Result

TESTS = {"target": "test_dataloader"}


def result(folder, name, metrics, config="x.py"):
    (folder / name).mkdir()
    tests = {"test_dataloader": metrics}
    return Result(
        name, "", name, 0, str(config), [], "", str(folder / name), TESTS, metrics={LAST: tests}
    )


def write_log(folder, record):
    log = folder / "20260101" / "vis_data"
    log.mkdir(parents=True)
    (log / "scalars.json").write_text(json.dumps({"step": 1, "loss": 1.0, **record}) + "\n")


@pytest.fixture
def segmentation(tmp_path):
    """Two runs with predictions of six frames; the data set's classes have no colours."""
    for number in range(6):
        write_image(tmp_path / f"data/{number}.png", size=(16, 12), seed=number)
        write_ids(tmp_path / f"labels/{number}.png", [0, 1], size=(16, 12))
    loader = dict(
        dataset=dict(
            type="KeyedRandomnessDataset",
            dataset=dict(
                type="BaseSegDataset",
                metainfo=dict(classes=("road", "sky")),
                data_root=str(tmp_path),
                data_prefix=dict(img_path="data", seg_map_path="labels"),
                img_suffix=".png",
                pipeline=[
                    dict(type="LoadImageFromFile"),
                    dict(type="Resize", scale=(8, 6)),
                    dict(type="LoadAnnotations"),
                    dict(type="PackSegInputs"),
                ],
            ),
        )
    )
    config = tmp_path / "config.py"
    config.write_text(f"default_scope = 'mmseg'\ntest_dataloader = {loader!r}\n")
    metrics = {"mIoU": 50.0, "IoU/road": 50.0, "IoU/sky": 50.0}
    results = [result(tmp_path, name, metrics, config) for name in ("base", "ours")]
    for one in results:
        for number in range(6):
            write_ids(tmp_path / one.name / f"predictions/{number}.png", [0, 1], size=(16, 12))
    return results


def names(files):
    return sorted(file.name for file in files)


def test_pictures_of_segmentation(tmp_path, segmentation):
    write_log(tmp_path / "base", {})
    write_log(tmp_path / "ours", {"lr_mult/body": 0.1})
    files = write_pictures(segmentation, TESTS, tmp_path / "out")
    assert names(files) == ["classes.png", "predictions.png", "rates.png", "training_curves.png"]
    with Image.open(tmp_path / "out/predictions.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) > 20


def test_what_is_gone_is_left_out(tmp_path, segmentation, capsys):
    (tmp_path / "ours/predictions/0.png").unlink()
    assert names(write_pictures(segmentation, TESTS, tmp_path / "out")) == ["classes.png"]
    assert "no predictions.png" in capsys.readouterr().out


def test_pictures_of_classification(tmp_path):
    images = [write_image(tmp_path / f"{name}.png", size=(16, 16)) for name in ("a", "b")]
    results = []
    for name, predicted in (("base", "car"), ("ours", "bus")):
        metrics = {"accuracy/car": 50.0, "accuracy/bus": 40.0, "accuracy/mean": 45.0}
        results.append(result(tmp_path, name, metrics))
        folder = tmp_path / name / "predictions"
        folder.mkdir()
        rows = [f"{images[0]},car,{predicted}", f"{images[1]},bus,{predicted}"]
        (folder / "predictions.csv").write_text("\n".join(["image,label,prediction", *rows]))
    files = write_pictures(results, TESTS, tmp_path / "out")
    assert names(files) == ["classes.png", "predictions.png"]
    assert all(file.stat().st_size > 5000 for file in files)
    # One that was tested on other images: what all have is shown, or nothing.
    table = tmp_path / "ours/predictions/predictions.csv"
    table.write_text(f"image,label,prediction\n{images[0]},car,bus\n")
    assert "predictions.png" in names(write_pictures(results, TESTS, tmp_path / "some"))
    table.write_text("image,label,prediction\nother.png,car,bus\n")
    assert "predictions.png" not in names(write_pictures(results, TESTS, tmp_path / "none"))
