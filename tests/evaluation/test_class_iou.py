import math

import pytest
import torch
from mmseg.evaluation import IoUMetric

from mmasg.evaluation.class_iou import ClassIoUMetric


def samples():
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(3):
        truth = torch.randint(0, 2, (1, 8, 8), generator=generator)
        truth[:, 0] = 255
        predicted = torch.where(torch.rand(1, 8, 8, generator=generator) < 0.3, 1 - truth, truth)
        predicted[predicted > 1] = 0
        predicted[predicted < 0] = 0
        made.append(dict(img_path="a.png", pred_sem_seg=dict(data=predicted),
                         gt_sem_seg=dict(data=truth)))  # fmt: skip
    return made


def evaluate(kind, made, **options):
    metric = kind(**options)
    metric.dataset_meta = dict(classes=("road", "traffic sign", "train"))
    metric.process({}, made)
    return metric.evaluate(len(made))


def test_each_class_and_the_means():
    made = samples()
    ours = evaluate(ClassIoUMetric, made)
    truth = torch.cat([s["gt_sem_seg"]["data"] for s in made])
    predicted = torch.cat([s["pred_sem_seg"]["data"] for s in made])
    known = truth != 255
    for index, name in ((0, "road"), (1, "traffic_sign")):
        both = ((predicted == index) & (truth == index) & known).sum()
        either = (((predicted == index) | (truth == index)) & known).sum()
        # The metric's two decimals.
        assert ours[f"IoU/{name}"] == pytest.approx(100 * float(both / either), abs=0.006)
    assert math.isnan(ours["IoU/train"])
    theirs = evaluate(IoUMetric, made)
    assert {k: v for k, v in ours.items() if "IoU/" not in k} == theirs


def test_mean_is_that_of_the_classes():
    ours = evaluate(ClassIoUMetric, samples())
    mean = (ours["IoU/road"] + ours["IoU/traffic_sign"]) / 2
    assert ours["mIoU"] == pytest.approx(mean, abs=0.011)


def test_without_iou_there_are_no_classes():
    ours = evaluate(ClassIoUMetric, samples(), iou_metrics=["mDice"])
    assert not [k for k in ours if k.startswith("IoU/")]
    assert "mDice" in ours


def test_writing_predictions_only(tmp_path):
    made = [dict(s, img_path=f"{i}.png") for i, s in enumerate(samples())]
    assert not evaluate(ClassIoUMetric, made, format_only=True, output_dir=str(tmp_path))
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_the_mean_without_rare_classes():
    ours = evaluate(ClassIoUMetric, samples(), rare_classes=["road"])
    # The third class is neither in the labels nor predicted.
    assert ours["mIoU_without_rare"] == ours["IoU/traffic_sign"]
    assert ours["mIoU"] == evaluate(ClassIoUMetric, samples())["mIoU"]
    assert math.isnan(
        evaluate(ClassIoUMetric, samples(), rare_classes=["road", "traffic sign"])[
            "mIoU_without_rare"
        ]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(rare_classes=["rod"]), r"rare_classes: got \['rod'\].*Did you mean 'road'"),
        (dict(rare_classes=["road", "traffic sign", "train"]), "not all of them"),
        (dict(rare_classes="road"), "a list of class names"),
        (dict(rare_classes=["road"], iou_metrics=["mDice"]), "a list with 'mIoU'"),
    ],
)
def test_wrong_rare_classes(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(ClassIoUMetric, samples(), **options)
