import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric
from mmseg.models.segmentors.base import BaseSegmentor
from street_files import CITYSCAPES_VAL, cityscapes, write_ids, write_image

import mmasg.datasets.targets  # noqa: F401
from mmasg.datasets.class_maps import CLASSES, SYNTHIA_13, SYNTHIA_16
from mmasg.evaluation.multi_target_iou import MultiTargetIoUMetric


def sample(domain, predicted, truth):
    predicted, truth = torch.tensor([predicted]), torch.tensor([truth])
    return dict(domain=domain, img_path="a.png", pred_sem_seg=dict(data=predicted[None]),
                gt_sem_seg=dict(data=truth[None]))  # fmt: skip


def metric(classes=("a", "b", "c"), **kwargs):
    metric = MultiTargetIoUMetric(**kwargs)
    metric.dataset_meta = dict(classes=classes)
    return metric


def test_by_hand_with_a_batch_that_mixes_targets():
    m = metric()
    m.process(None, [
        sample("x", [0, 0, 1, 1], [0, 1, 1, 255]),
        sample("y", [0, 0], [0, 0]),
        sample("x", [1, 1], [1, 0]),
    ])  # fmt: skip
    result = m.evaluate(3)
    # x: a: 1 correct of 2 predicted + 2 true - 1; b: 2 of 3 + 2 - 2 (the ignored pixel is not
    # counted); c nowhere. y: a 2 of 2; b and c nowhere.
    assert result["IoU/x/a"] == pytest.approx(100 / 3)
    assert result["IoU/x/b"] == pytest.approx(100 * 2 / 4)
    assert np.isnan(result["IoU/x/c"])
    assert result["mIoU/x"] == pytest.approx((100 / 3 + 50) / 2)
    assert result["mIoU/y"] == 100
    assert result["mIoU"] == pytest.approx((100 + (100 / 3 + 50) / 2) / 2)
    assert result["aAcc/x"] == pytest.approx(100 * 3 / 5)


def test_equals_mmsegmentations_metric_on_each_target():
    generator = torch.Generator().manual_seed(0)
    samples = []
    for index in range(12):
        truth = torch.randint(0, 20, (1, 30, 40), generator=generator)
        truth[truth == 19] = 255
        noise = torch.rand(truth.shape, generator=generator) < 0.4
        predicted = torch.where(
            noise, torch.randint(0, 19, truth.shape, generator=generator), truth
        )
        predicted[predicted == 255] = 3
        samples.append(dict(domain="xyz"[index % 3], pred_sem_seg=dict(data=predicted),
                            gt_sem_seg=dict(data=truth)))  # fmt: skip
    m = metric(CLASSES, subsets=["synthia16", "synthia13"])
    for start in range(0, 12, 4):
        m.process(None, samples[start : start + 4])
    result = m.evaluate(12)
    for target in "xyz":
        own = IoUMetric()
        own.dataset_meta = dict(classes=CLASSES)
        own.process(None, [s for s in samples if s["domain"] == target])
        # IoUMetric rounds to two digits
        assert own.evaluate(4)["mIoU"] == pytest.approx(result[f"mIoU/{target}"], abs=0.0051)
        for name, classes in (("synthia16", SYNTHIA_16), ("synthia13", SYNTHIA_13)):
            expected = np.mean([result[f"IoU/{target}/{c}"] for c in classes])
            assert result[f"mIoU_{name}/{target}"] == pytest.approx(expected)
    assert result["mIoU_synthia13"] == pytest.approx(
        np.mean([result[f"mIoU_synthia13/{target}"] for target in "xyz"])
    )


def test_own_subset():
    m = metric(subsets=dict(ab=["a", "b"]), per_class=False)
    m.process(None, [sample("x", [0, 1, 2], [0, 1, 1])])
    result = m.evaluate(1)
    assert result["mIoU_ab"] == pytest.approx((100 + 50) / 2)
    assert not any(key.startswith("IoU/") for key in result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(targets="x"), r"MultiTargetIoUMetric.targets: got 'x'; allowed: a list of different"),
        (
            dict(targets=["x", "x"]),
            r"targets: got \['x', 'x'\]; allowed: a list of",
        ),
        (dict(subsets=["synthia12"]), r"subsets: got .*Did you mean 'synthia1[36]'\?"),
        (dict(subsets="synthia16"), r"subsets: got 'synthia16'; .*Write \['synthia16'\]\."),
        (
            dict(format_only=True),
            r"format_only: got True; .*Set output_dir .tools/test.py --out",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiTargetIoUMetric(**arguments)


def test_wrong_samples():
    good = sample("x", [0], [0])
    nameless = {key: value for key, value in good.items() if key != "domain"}
    with pytest.raises(ValueError, match="a.png does not say its domain.*meta_keys"):
        metric().process(None, [nameless])
    with pytest.raises(ValueError, match="has the domain 'x', which is not among targets=.'y'."):
        metric(targets=["y"]).process(None, [good])
    with pytest.raises(ValueError, match="has no labels: the test pipeline needs LoadAnnotations"):
        metric().process(None, [{k: v for k, v in good.items() if k != "gt_sem_seg"}])
    with pytest.raises(ValueError, match="LoadAnnotations belongs after Resize"):
        metric().process(None, [sample("x", [0, 0], [0])])
    with pytest.raises(ValueError, match="label ids from 26 to 26, but there are 3 classes"):
        metric().process(None, [sample("x", [0], [26])])


def test_missing_target_and_unknown_class():
    m = metric(targets=["x", "y"])
    m.process(None, [sample("x", [0], [0])])
    with pytest.raises(ValueError, match="no image of .'y'. was tested; tested: .'x'."):
        m.evaluate(1)
    m = metric(subsets=dict(more=["a", "z"]))
    m.process(None, [sample("x", [0], [0])])
    with pytest.raises(ValueError, match="mIoU_more is over .'z'., which the data set does not"):
        m.evaluate(1)


@MODELS.register_module()
class RedIsRoad(BaseSegmentor):
    """Predicts road where the image is red and sky elsewhere; no weights."""

    align_corners = False

    def encode_decode(self, inputs, batch_img_metas):
        return torch.stack([inputs[:, 0], inputs[:, 1]], 1)

    def loss(self, inputs, data_samples):
        raise NotImplementedError

    def extract_feat(self, inputs):
        raise NotImplementedError

    def _forward(self, inputs, data_samples=None):
        raise NotImplementedError

    def predict(self, inputs, data_samples=None):
        logits = torch.full((len(inputs), 19, *inputs.shape[2:]), -1.0)
        logits[:, 0], logits[:, 10] = inputs[:, 0], inputs[:, 2]
        return self.postprocess_result(logits, data_samples)


def paint(path, red_columns, size):
    """Red to the left, blue to the right."""
    from PIL import Image

    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, :red_columns, 0] = 255
    pixels[:, red_columns:, 2] = 255
    Image.fromarray(pixels).save(write_image(path, size=size))


def runner_config(tmp_path, batch_size):
    """Three Cityscapes frames that are predicted right, three BDD frames half wrong."""
    cityscapes(tmp_path / "c")
    for image in (tmp_path / "c").rglob("*_leftImg8bit.png"):
        paint(image, 12, (24, 16))
        label = str(image).replace("leftImg8bit/", "gtFine/")
        write_ids(type(image)(label.replace("_leftImg8bit", "_gtFine_labelTrainIds")), [0, 10])
    for index in range(3):
        # PNG content under BDD's .jpg: exact colours, and readers go by content
        paint(tmp_path / f"b/images/{index}.png", 24, (24, 16))
        (tmp_path / f"b/images/{index}.png").rename(tmp_path / f"b/images/{index}.jpg")
        write_ids(tmp_path / f"b/labels/{index}.png", [0, 10])
    load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
            dict(type="PackSegInputs")]  # fmt: skip
    parts = [
        dict(type="Cityscapes19Dataset", data_root=str(tmp_path / "c"), test_mode=True,
             data_prefix=CITYSCAPES_VAL, pipeline=load),
        dict(type="BDD100K19Dataset", data_root=str(tmp_path / "b"), test_mode=True,
             data_prefix=dict(img_path="images", seg_map_path="labels"), pipeline=load),
    ]  # fmt: skip
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(
                type="RedIsRoad",
                data_preprocessor=dict(type="SegDataPreProcessor", mean=None, std=None,
                                       bgr_to_rgb=True),
            ),
            work_dir=str(tmp_path / "work"),
            test_dataloader=dict(
                batch_size=batch_size, num_workers=0,
                sampler=dict(type="DefaultSampler", shuffle=False),
                dataset=dict(type="ConcatDataset", datasets=parts),
            ),
            test_cfg=dict(type="TestLoop"),
            test_evaluator=dict(type="MultiTargetIoUMetric", targets=["cityscapes", "bdd100k"]),
        )
    )  # fmt: skip


EXPECTED = {
    "mIoU/cityscapes": 100.0,
    "mIoU/bdd100k": 25.0,  # road 1/2, sky 0
    "mIoU": 62.5,
    "aAcc/bdd100k": 50.0,
}


@pytest.mark.parametrize("batch_size", [1, 4])
def test_in_a_runner_with_batches_that_mix_targets(tmp_path, batch_size):
    cfg = runner_config(tmp_path, batch_size)
    cfg.experiment_name = f"targets{batch_size}{tmp_path.name}"
    result = Runner.from_cfg(cfg).test()
    assert {key: result[key] for key in EXPECTED} == EXPECTED


def test_counts_of_a_large_image_are_exact():
    # float32, in which IoUMetric counts, has no 2**24 + 1.
    labels = torch.zeros(2**24 + 1, dtype=torch.uint8)
    areas = MultiTargetIoUMetric.intersect_and_union(labels, labels, 2, 255)
    assert [area.tolist() for area in areas] == [[2**24 + 1, 0]] * 4


def test_predictions_of_targets_that_share_a_name_stay_apart(tmp_path):
    from PIL import Image

    two = [[0, 1], [0, 1]]
    m = metric(output_dir=str(tmp_path / "out"))
    m.process(None, [sample("x", two, two), sample("y", [[2, 2]] * 2, [[0, 255]] * 2)])
    assert m.evaluate(2)["mIoU/x"] == 100
    written = {p.name: np.asarray(Image.open(p)).tolist() for p in (tmp_path / "out").iterdir()}
    assert written == {"x_a.png": two, "y_a.png": [[2, 2]] * 2}
    with pytest.raises(ValueError, match="has no img_path"):
        m.process(None, [{k: v for k, v in sample("x", two, two).items() if k != "img_path"}])


def test_format_only_writes_images_without_labels(tmp_path):
    m = metric(output_dir=str(tmp_path), format_only=True)
    image = sample("x", [[0, 1], [1, 1]], [[0, 0], [0, 0]])
    m.process(None, [{k: v for k, v in image.items() if k != "gt_sem_seg"}])
    assert m.evaluate(1) == {} and [p.name for p in tmp_path.iterdir()] == ["x_a.png"]


def test_on_two_ranks(tmp_path):
    """Five images on two ranks: the padded sixth must not count twice, nor ranks differ."""
    import torch.multiprocessing as mp

    manager_dir = tmp_path / "results"
    manager_dir.mkdir()
    mp.start_processes(_rank, args=(str(tmp_path),), nprocs=2, start_method="fork")
    for rank in range(2):
        result = torch.load(manager_dir / f"{rank}.pt", weights_only=True)
        # x has images 0, 2, 4: 2 of 3 pixels right; y has 1, 3: none right
        assert result["aAcc/x"] == pytest.approx(200 / 3)
        assert result["aAcc/y"] == 0


def _rank(rank, folder):
    import os

    import torch.distributed as dist

    sys.path[:0] = [os.path.dirname(os.path.dirname(__file__))]
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    m = metric()
    right = {0: True, 2: True, 4: False, 1: False, 3: False}
    for index in (0, 2, 4) if rank == 0 else (1, 3, 0):  # the sampler repeats image 0
        truth = [0]
        predicted = [0] if right[index] else [1]
        m.process(None, [sample("xy"[index % 2], predicted, truth)])
    torch.save(m.evaluate(5), f"{folder}/results/{rank}.pt")
    dist.destroy_process_group()
