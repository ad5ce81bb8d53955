import subprocess
import sys

import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as official
import numpy as np
import pytest
import torch
from cityscapesscripts.helpers.labels import trainId2label
from mmengine.logging import MMLogger
from PIL import Image

from mmasg.datasets.class_maps import CLASSES
from mmasg.evaluation.cityscapes_scripts import CityscapesScriptsMetric
from mmasg.evaluation.class_iou import ClassIoUMetric


def write_truth(root, count=3):
    """Label ids, train ids and predictions that are mostly right; all 19 classes occur."""
    folder = root / "gtFine/val/ulm"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    made = []
    for i in range(count):
        truth = np.kron(generator.permutation(20).reshape(4, 5), np.ones((6, 8))).astype(np.uint8)
        predicted = np.where(generator.random(truth.shape) < 0.2,
                             generator.integers(0, 19, truth.shape), truth)  # fmt: skip
        predicted[predicted == 19] = 2
        truth[truth == 19] = 255
        ids = np.zeros_like(truth)
        for train_id in range(19):
            ids[truth == train_id] = trainId2label[train_id].id
        stem = f"ulm_{i:06d}_000019"
        Image.fromarray(ids).save(folder / f"{stem}_gtFine_labelIds.png")
        Image.fromarray(truth).save(folder / f"{stem}_gtFine_labelTrainIds.png")
        made.append(
            dict(
                img_path=str(root / f"leftImg8bit/val/ulm/{stem}_leftImg8bit.png"),
                seg_map_path=str(folder / f"{stem}_gtFine_labelTrainIds.png"),
                pred_sem_seg=dict(data=torch.from_numpy(predicted.astype(np.int64))[None]),
                gt_sem_seg=dict(data=torch.from_numpy(truth.astype(np.int64))[None]),
            )
        )
    return made


def evaluate(metric, made):
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, made)
    return metric.evaluate(len(made))


def test_agrees_with_mmsegmentations_metric_to_the_printed_digit(tmp_path):
    made = write_truth(tmp_path)
    official = evaluate(CityscapesScriptsMetric(output_dir=str(tmp_path / "out")), made)
    ours = evaluate(ClassIoUMetric(), made)
    assert len(official) == 20
    for name in CLASSES:
        key = f"IoU/{name.replace(' ', '_')}"
        # Both round to two decimals, the one from 32, the other from 64 bits.
        assert official[f"cityscapes/{key}"] == pytest.approx(ours[key], abs=0.0101), name
    assert official["cityscapes/mIoU"] == pytest.approx(ours["mIoU"], abs=0.0101)
    assert 30 < official["cityscapes/mIoU"] < 90


def test_predictions_go_away_or_stay(tmp_path):
    made = write_truth(tmp_path, 1)
    metric = CityscapesScriptsMetric(output_dir=str(tmp_path / "kept"), keep_results=True)
    evaluate(metric, made)
    (picture,) = (tmp_path / "kept").glob("*.png")
    ids = np.asarray(Image.open(picture))
    assert set(np.unique(ids)) <= {trainId2label[i].id for i in range(19)}
    del metric
    metric = CityscapesScriptsMetric(output_dir=str(tmp_path / "gone"))
    evaluate(metric, made)
    del metric
    assert not list((tmp_path / "gone").glob("*.png"))


def test_missing_label_ids(tmp_path):
    made = write_truth(tmp_path)
    missing = tmp_path / "gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png"
    missing.unlink()
    message = (
        r"no '.*ulm_000001_000019_gtFine_labelIds\.png' \(1 of 3 missing\)\. .*put the original"
    )
    with pytest.raises(FileNotFoundError, match=message):
        evaluate(CityscapesScriptsMetric(output_dir=str(tmp_path / "out")), made)


def test_what_cityscapesscripts_refuses_is_an_error_of_ours(tmp_path):
    made = write_truth(tmp_path, 1)
    Image.new("L", (7, 5)).save(tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png")
    with pytest.raises(ValueError, match=r"cannot compare .*ERROR: Image widths of .*not equal"):
        evaluate(CityscapesScriptsMetric(output_dir=str(tmp_path / "out")), made)


def test_settings_of_the_module_stay_as_they_are(tmp_path):
    before = dict(vars(official.args))
    evaluate(CityscapesScriptsMetric(output_dir=str(tmp_path / "out")), write_truth(tmp_path, 1))
    assert vars(official.args) == before


def test_format_only_needs_no_label_ids(tmp_path):
    made = write_truth(tmp_path, 1)
    for path in tmp_path.rglob("*_labelIds.png"):
        path.unlink()
    out = tmp_path / "out"
    metric = CityscapesScriptsMetric(output_dir=str(out), format_only=True, keep_results=True)
    metric.dataset_meta = dict(classes=CLASSES)
    MMLogger.get_instance("format_only")  # mmseg's method logs by the current one
    metric.process({}, made)
    assert metric.evaluate(1) == {} and len(list(out.glob("*.png"))) == 1


def test_without_cityscapesscripts_only_this_metric_is_missing(tmp_path):
    """In a process in which it does not import, as where it was never installed."""
    code = (
        "import sys; sys.modules['cityscapesscripts'] = None; import mmasg.evaluation as e\n"
        "e.ClassIoUMetric()\n"
        f"e.CityscapesScriptsMetric(output_dir={str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: CityscapesScriptsMetric (tools/test.py --cityscapes) needs" in done.stderr
    assert "pip install 'cityscapesscripts>=2.2'" in done.stderr
