import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from seg_toy import (
    log_text,
    resnet18,
    segmentor,
    toy_config,
    train,
    write_imagenet_file,
)

from mmasg.consistency.agreement import Agreement, top1_agreement
from mmasg.consistency.teacher import build_teacher


@pytest.fixture
def imagenet(tmp_path):
    return write_imagenet_file(tmp_path / "r18.pth", resnet18())


def test_share_by_hand(imagenet):
    student = MODELS.build(resnet18(imagenet))
    teacher = build_teacher(student)
    student.load_state_dict(torch.load(imagenet), strict=False)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(n, 3, 32, 32, generator=generator) for n in (3, 4, 1)]
    student.train()
    assert top1_agreement(student, teacher, batches) == (1.0, 8)
    assert student.training and not student._forward_hooks
    # Another last layer: some predictions change, and exactly those are counted.
    torch.nn.init.normal_(student.layer4[1].conv2.weight, std=2.0)
    share, number = top1_agreement(student, teacher, batches)
    student.eval()
    with torch.no_grad():
        ours = teacher.classify(student(torch.cat(batches))[-1]).argmax(1)
        theirs = teacher(torch.cat(batches)).logits.argmax(1)
    assert number == 8
    assert share == pytest.approx(float((ours == theirs).float().mean()))
    assert share < 1


def write_images(folder, count=5):
    (folder / "deep").mkdir(parents=True)
    for i in range(count):
        image = np.random.default_rng(i).integers(0, 256, (32, 40 + 8 * i, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / ("deep" if i % 2 else ".") / f"{i}.png"), image)
    (folder / "notes.txt").write_text("no image")


def test_folder_after_a_run(tmp_path, imagenet):
    write_images(tmp_path / "images")
    options = dict(agreement=dict(images=str(tmp_path / "images")))
    config = toy_config(
        tmp_path / "run",
        segmentor(resnet18(imagenet)),
        options,
        max_iters=1,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=1e-9)),
    )
    runner, _ = train(config)
    # Images of five sizes, and a student that has hardly moved.
    expected = "ImageNet top-1 agreement of student and teacher: 100.00% of 5 images"
    assert expected in log_text(runner)
    assert runner.message_hub.get_scalar("train/imagenet_top1_agreement").current() == 1.0


def test_split_after_a_run_with_a_loss_that_needs_no_classifier(tmp_path, imagenet):
    data = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dict(type="SegToyDataset", length=6),
    )
    config = toy_config(
        tmp_path / "run",
        segmentor(resnet18(imagenet)),
        dict(agreement=dict(split="val"), loss=dict(type="FeatureL2Loss"), loss_weight=0.0),
        max_iters=3,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.5)),
        val_dataloader=data,
        val_cfg=dict(type="ValLoop"),
        val_evaluator=dict(type="IoUMetric"),
    )
    config["train_cfg"]["val_interval"] = 100
    runner, _ = train(config)
    text = log_text(runner)
    assert "% of 6 images (the val split)" in text
    share = runner.message_hub.get_scalar("train/imagenet_top1_agreement").current()
    assert 0 <= share <= 1 and (6 * share) % 1 == pytest.approx(0, abs=1e-6)


def test_what_can_be_known_before_the_run_is_said_before_it(tmp_path, imagenet):
    model = segmentor(resnet18(imagenet))
    (tmp_path / "empty").mkdir()
    for options, error, message in (
        (dict(images=str(tmp_path / "empty")), FileNotFoundError, "the folder is empty"),
        (dict(images=str(tmp_path / "none")), FileNotFoundError, "there is no such folder"),
        (dict(split="test"), ValueError, r"agreement\.split: got 'test', but .*no test_dataload"),
    ):
        with pytest.raises(error, match=message):
            train(toy_config(tmp_path / "run", model, dict(agreement=options)))


@pytest.mark.parametrize("options", [{}, dict(images="a", split="val"), dict(split="train")])
def test_options(options):
    with pytest.raises(ValueError, match=r"agreement: got .*give either images='folder' or split"):
        Agreement(**options)


def test_a_file_that_is_no_image(tmp_path, imagenet):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"not a picture")
    options = dict(agreement=dict(images=str(tmp_path / "images")))
    with pytest.raises(ValueError, match=r"a\.png' cannot be read as an image; remove it"):
        train(toy_config(tmp_path / "run", segmentor(resnet18(imagenet)), options, max_iters=1))


def test_images_go_through_the_test_pipeline(tmp_path, imagenet):
    """Other sizes, other colours: other predictions than on the images as they are."""
    write_images(tmp_path / "images", count=2)
    loader = dict(
        dataset=dict(
            type="KeyedRandomnessDataset",
            dataset=dict(
                type="SegToyDataset",
                pipeline=[
                    dict(type="LoadImageFromFile"),
                    dict(type="Resize", scale=(24, 48)),
                    dict(type="LoadAnnotations"),
                    dict(type="mmseg.PackSegInputs"),
                ],
            ),
        )
    )
    model = MODELS.build(segmentor(resnet18(imagenet)))
    for key in ("test_dataloader", "val_dataloader"):
        runner = type("Runner", (), dict(cfg=Config({key: loader})))
        sizes = [
            tuple(b.shape) for b in Agreement(str(tmp_path / "images"))._batches(runner, model)
        ]
        assert sizes == [(1, 3, 48, 24)] * 2
    runner = type("Runner", (), dict(cfg=Config()))
    sizes = [tuple(b.shape) for b in Agreement(str(tmp_path / "images"))._batches(runner, model)]
    assert sizes == [(1, 3, 32, 40), (1, 3, 32, 48)]
