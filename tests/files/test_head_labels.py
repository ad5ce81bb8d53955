"""What a head leaves out, and what a training does with ids that somebody else leaves out."""

import copy
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from mini_run import write_frames
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.structures import SegDataSample
from seg_toy import build_runner, resnet18, segmentor, toy_config
from street_files import write_ids

from mmasg.files.head_labels import describe_ignored, heads_of
from mmasg.files.sample_check import SampleError, judge_batch
from mmasg.reproducible import KeyedRandomnessHook

FCN = dict(type="FCNHead", num_classes=19)


def heads(**model):
    init_default_scope("mmseg")
    return list(heads_of(dict(type="EncoderDecoder", **model)))


def test_every_head_and_the_losses_that_do_not_ask_it():
    losses = [dict(type="CrossEntropyLoss"), dict(type="TverskyLoss", ignore_index=7)]
    found = heads(
        decode_head=dict(FCN, ignore_index=254, loss_decode=losses),
        auxiliary_head=[FCN, dict(FCN, loss_decode=dict(type="DiceLoss", ignore_index=3))],
        backbone=dict(type="ResNet", num_classes=1000),
    )
    assert [head.key for head in found] == [
        "model.decode_head",
        "model.auxiliary_head[0]",
        "model.auxiliary_head[1]",
    ]
    # DiceLoss takes what the head gives it; TverskyLoss does not.
    assert [set(head.ignored.values()) for head in found] == [{254, 7}, {255}, {255}]
    assert not found[0].takes(254) and found[0].takes(18) and not found[1].takes(19)
    text = describe_ignored(found[:1], 255)
    assert text == (
        "the data set's ignore_index=255, model.decode_head.ignore_index=254, "
        "model.decode_head.loss_decode[1].ignore_index=7"
    )
    (ohem,) = heads(decode_head=dict(FCN, loss_decode=dict(type="OhemCrossEntropy")))
    assert ohem.ignored["model.decode_head.loss_decode.ignore_label"] == 255
    assert list(heads_of(None)) == []
    (plain,) = heads_of(dict(head=dict(type="ClassifierHead", num_classes=12)))
    assert (plain.key, plain.num_classes, plain.ignored) == ("model.head", 12, {})


def training(tmp_path, ids, head=(), data=()):
    """One iteration on frames whose labels hold ``ids``."""
    root = write_frames(tmp_path / "data", frames=2)
    for number in (1, 2):
        write_ids(root / f"labels/{number:05d}_labelTrainIds.png", ids, size=(128, 96))
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    model = copy.deepcopy(segmentor(resnet18()))
    model["decode_head"].update(num_classes=19, **dict(head))
    config = toy_config(tmp_path / "run", model, None, max_iters=1)
    config["train_dataloader"]["dataset"] = dict(
        type="KeyedRandomnessDataset",
        dataset=dict(type="GTA5Dataset", data_root=str(root), pipeline=pipeline, **dict(data)),
    )
    config["custom_hooks"] = [dict(type="KeyedRandomnessHook")]
    build_runner(config).train()


@pytest.mark.parametrize(
    ("ids", "head", "data"),
    [
        ([0, 13, 254], dict(ignore_index=254), dict(ignore_index=254)),
        ([0, 13, 254], dict(ignore_index=254), {}),
        ([0, 13, 1], dict(ignore_index=0), {}),
        ([0, 13, 255], {}, dict(ignore_index=254)),
    ],
)
def test_whatever_mmsegmentation_allows_trains(tmp_path, ids, head, data):
    training(tmp_path, ids, head, data)


def test_the_error_names_the_three_values(tmp_path):
    values = (
        "the data set's ignore_index=254, model.decode_head.ignore_index=255, "
        "model.decode_head.loss_decode.ignore_index=255"
    )
    with pytest.raises(SampleError, match=rf"Ids.png .*label ids \[254\].*{values}. Give all"):
        training(
            tmp_path,
            [0, 13, 254],
            dict(loss_decode=dict(type="TverskyLoss")),
            dict(ignore_index=254),
        )


def test_padding_that_the_head_does_not_leave_out(tmp_path):
    (head,) = heads(decode_head=dict(FCN, ignore_index=0))
    judge_batch([], [head], padding=0)
    with pytest.raises(SampleError, match="seg_pad_val=255 is no class.*head.ignore_index=0. Set"):
        judge_batch([], [head], padding=255)
    hook = KeyedRandomnessHook()
    hook._heads = [head]
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 48, 64)))
    fits, pads = [dict(size=(48, 64)), dict(size_divisor=16)], [dict(size=(49, 64))]
    for options in (*fits, *pads, dict(size_divisor=32)):
        model = SimpleNamespace(data_preprocessor=SegDataPreProcessor(**options))
        runner = SimpleNamespace(model=model, iter=0, rank=0)
        with nullcontext() if options in fits else pytest.raises(SampleError):
            hook.before_train_iter(runner, 0, dict(data_samples=[sample]))
