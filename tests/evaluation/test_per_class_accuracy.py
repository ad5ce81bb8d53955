"""PerClassAccuracy: numbers by hand, tables and the picture."""

import csv

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS
from PIL import Image
from sklearn.metrics import balanced_accuracy_score
from sklearn.metrics import confusion_matrix as sklearn_matrix

from mmasg.datasets.classification_sample import ClassificationSample, set_prediction
from mmasg.evaluation.per_class_accuracy import PerClassAccuracy, confusion_matrix


def samples_of(truth, prediction, classes):
    samples = []
    for true, predicted in zip(truth, prediction, strict=True):
        sample = ClassificationSample().set_gt_label(true)
        set_prediction(sample, torch.eye(classes)[predicted])
        samples.append(sample)
    return samples


def evaluate(truth, prediction, names, **settings):
    evaluator = Evaluator(dict(type="PerClassAccuracy", **settings))
    evaluator.dataset_meta = dict(classes=names)
    for start in range(0, len(truth), 3):  # several batches, the last one short
        stop = start + 3
        evaluator.process(samples_of(truth[start:stop], prediction[start:stop], len(names)))
    return evaluator.evaluate(len(truth))


def test_recall_of_each_class_by_hand():
    result = evaluate([0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 0, 2], ["bus", "car", "train"])
    assert result == {
        "accuracy/bus": 75.0,
        "accuracy/car": 50.0,
        "accuracy/train": 100.0,
        "accuracy/mean": 75.0,
        "accuracy/overall": pytest.approx(100 * 5 / 7),
    }


def test_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 5, 200)
    prediction = np.where(generator.random(200) < 0.5, truth, generator.integers(0, 5, 200))
    np.testing.assert_array_equal(
        confusion_matrix(truth, prediction, 5), sklearn_matrix(truth, prediction)
    )
    result = evaluate(truth.tolist(), prediction.tolist(), list("abcde"))
    # the same sums of integers in float64
    expected = 100 * balanced_accuracy_score(truth, prediction)
    assert result["accuracy/mean"] == pytest.approx(expected, rel=1e-12)


def test_absent_class_is_left_out_of_the_mean():
    result = evaluate([0, 0, 1], [0, 0, 2], ["a", "b", "c"])
    assert result["accuracy/mean"] == 50.0
    assert "accuracy/c" not in result


def test_classes_without_names_get_numbers():
    metric = PerClassAccuracy()
    assert metric.compute_metrics([(0, 0), (1, 0)])["class 1"] == 0.0


def test_confusion_matrix_is_written(tmp_path):
    out = tmp_path / "deep" / "folder"
    evaluate([0, 0, 1], [0, 1, 1], ["bus", "car, old"], out_dir=str(out))
    with open(out / "confusion_matrix.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["true \\ predicted", "bus", "car, old"],
        ["bus", "1", "1"],
        ["car, old", "0", "1"],
    ]
    picture = np.asarray(Image.open(out / "confusion_matrix.png").convert("RGB"))
    assert picture.min() < 60 and picture.max() == 255  # dark diagonal on white


def test_unlabelled_image_is_an_error():
    metric = METRICS.build(dict(type="PerClassAccuracy"))
    with pytest.raises(ValueError, match="no gt_label for somewhere/x.png"):
        metric.process({}, [dict(img_path="somewhere/x.png", pred_label=torch.tensor([0]))])


def test_predictions_are_written_image_by_image(tmp_path):
    metric = PerClassAccuracy(out_dir=str(tmp_path))
    metric.dataset_meta = dict(classes=["bus", "car"])
    samples = [
        dict(gt_label=torch.tensor([0]), pred_label=torch.tensor([1]), img_path="a.png"),
        dict(gt_label=torch.tensor([1]), pred_label=torch.tensor([1]), img_path="b.png"),
    ]
    metric.process({}, samples)
    metric.evaluate(2)
    lines = (tmp_path / "predictions.csv").read_text().split()
    assert lines == ["image,label,prediction", "a.png,bus,car", "b.png,car,car"]
