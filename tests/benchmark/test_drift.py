import json

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from PIL import Image
from seg_toy import resnet18, segmentor, write_imagenet_file

from mmasg.benchmark.drift import (
    AGREEMENT,
    ITERATION,
    KL,
    SCORE,
    logged_drift,
    mean_over_seeds,
    measured_drift,
)
from mmasg.benchmark.drift_chart import plot_drift
from mmasg.benchmark.results import LAST, Result


def result(folder, config="x.py", points=("2", "4", LAST)):
    metrics = {p: {"test_dataloader": {"mIoU": 10.0 + i}} for i, p in enumerate(points)}
    tests = {"target": "test_dataloader"}
    return Result("x", "", "X", 0, str(config), [], "", str(folder), tests, metrics=metrics)


def write_log(folder, values, last="iter_6.pth"):
    (folder / "state.json").write_text(json.dumps(dict(trained=last)))
    log = folder / "20260101" / "vis_data"
    log.mkdir(parents=True)
    lines = [json.dumps({"step": step, "loss": 1.0, **record}) for step, record in values]
    (log / "scalars.json").write_text("\n".join(lines) + "\n")


def test_the_logged_kl_before_each_point(tmp_path):
    write_log(tmp_path, [(s, {"kl_imagenet": s / 10}) for s in (1, 2, 3, 4, 5, 6)])
    points = logged_drift(result(tmp_path), "test_dataloader", "mIoU", records=2)
    assert points == [
        {ITERATION: 2, KL: pytest.approx(0.15), SCORE: 10.0},
        {ITERATION: 4, KL: pytest.approx(0.35), SCORE: 11.0},
        {ITERATION: 6, KL: pytest.approx(0.55), SCORE: 12.0},
    ]


def test_checkpoints_counted_by_epochs(tmp_path):
    records = [(s, {"kl_imagenet": s / 10, "epoch": 1 + s // 4}) for s in (1, 3, 4, 6, 8)]
    write_log(tmp_path, records, last="epoch_3.pth")
    of_run = result(tmp_path, points=("2", LAST))
    points = logged_drift(of_run, "test_dataloader", "mIoU", records=1)
    assert [(p[ITERATION], p[KL]) for p in points] == [(2, 0.6), (3, 0.8)]


def test_a_run_without_kl_has_no_points(tmp_path):
    assert logged_drift(result(tmp_path), "test_dataloader", "mIoU") == []
    write_log(tmp_path, [(1, {})])
    assert logged_drift(result(tmp_path), "test_dataloader", "mIoU") == []


@pytest.fixture
def run(tmp_path):
    """A run whose checkpoint at 2 is the ImageNet network, and whose last one is not."""
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    file = write_imagenet_file(tmp_path / "imagenet.pth", resnet18())
    model = segmentor(resnet18(file))
    images = tmp_path / "images"
    images.mkdir()
    random = np.random.default_rng(0)
    for i in range(4):
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
    loader = dict(
        dataset=dict(
            type="mmseg.BaseSegDataset",
            data_root=str(images),
            metainfo=dict(classes=("a", "b", "c")),
            img_suffix=".png",
            pipeline=[dict(type="LoadImageFromFile"), dict(type="mmseg.PackSegInputs")],
        )
    )
    config = tmp_path / "config.py"
    config.write_text(
        f"default_scope = 'mmseg'\nmodel = {model!r}\ntest_dataloader = {loader!r}\n"
        "train_cfg = dict(max_iters=6)\n"
    )
    built = MODELS.build(model)
    built.init_weights()
    torch.save(dict(state_dict=built.state_dict()), tmp_path / "iter_2.pth")
    with torch.no_grad():
        for p in built.backbone.layer4.parameters():
            p.mul_(1.5)
    torch.save(dict(state_dict=built.state_dict()), tmp_path / "iter_6.pth")
    (tmp_path / "state.json").write_text(json.dumps(dict(trained="iter_6.pth")))
    return tmp_path, result(tmp_path, config, ("2", LAST)), built, file


def test_checkpoints_are_measured_on_frames(run):
    folder, of_run, moved, file = run
    start, end = measured_drift(of_run, "test_dataloader", "mIoU", "test_dataloader", 4)
    # The ImageNet network itself; the folded teacher rounds elsewhere.
    assert start[ITERATION] == 2 and start[KL] == pytest.approx(0, abs=1e-6)
    assert start[AGREEMENT] == 100 and start[SCORE] == 10
    assert end[ITERATION] == 6 and end[SCORE] == 11
    # By hand: pooled features through the file's linear layer, for both networks.
    state = torch.load(file, weights_only=True)
    frozen = MODELS.build(resnet18())
    frozen.load_state_dict(state, strict=False)
    frozen.eval()
    moved.eval()
    kl, same = [], []
    for i in range(4):
        image = torch.from_numpy(np.asarray(Image.open(folder / f"images/{i}.png")).copy())
        # The file's RGB is what the preprocessor makes of OpenCV's BGR.
        inputs = (image.permute(2, 0, 1).float() - MEAN) / STD
        logits = [
            net(inputs[None])[-1].mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
            for net in (moved.backbone, frozen)
        ]
        p_s, p_t = (x.log_softmax(1) for x in logits)
        kl.append(float((p_t.exp() * (p_t - p_s)).sum()))
        same.append(float(logits[0].argmax() == logits[1].argmax()))
    assert end[KL] == pytest.approx(np.mean(kl), rel=1e-4) and end[KL] > 0.01
    assert end[AGREEMENT] == 100 * np.mean(same)


MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]


def test_what_was_measured_is_kept(run):
    folder, of_run, _, _ = run
    first = measured_drift(of_run, "test_dataloader", "mIoU", "test_dataloader", 2)
    (folder / "iter_2.pth").unlink()
    assert measured_drift(of_run, "test_dataloader", "mIoU", "test_dataloader", 2) == first
    with pytest.raises(FileNotFoundError):
        measured_drift(of_run, "test_dataloader", "mIoU", "test_dataloader", 3)


def test_frames_that_are_not_there(run):
    of_run = run[1]
    with pytest.raises(ValueError, match="--images: got 5; allowed: 1 to 4"):
        measured_drift(of_run, "test_dataloader", "mIoU", "test_dataloader", 5)
    with pytest.raises(ValueError, match="--frames: got 'x'; allowed: test_dataloader"):
        measured_drift(of_run, "test_dataloader", "mIoU", "x", 1)


def point(iteration, kl, score):
    return {ITERATION: iteration, KL: kl, SCORE: score}


def test_means_over_seeds_are_of_shared_points(tmp_path):
    seeds = [[point(1, 0.1, 10), point(2, 0.2, 12)], [point(2, 0.4, 20)]]
    assert mean_over_seeds(seeds) == [point(2, pytest.approx(0.3), 16)]
    out = tmp_path / "x" / "drift.png"
    plot_drift({"a": seeds, "b": [[point(1, 0.1, 9)]]}, "mIoU (target)", out)
    assert out.stat().st_size > 10_000
