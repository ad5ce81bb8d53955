import pytest
from seg_toy import (
    SegToyDataset,
    build_runner,
    fcn_head,
    resnet18,
    segmentor,
    toy_config,
    train,
)
from torch import nn

from mmasg.guard.class_counts import check_class_counts


def config(folder, head=None, **changes):
    model = segmentor(resnet18(), fcn_head() | (head or {}), **changes)
    return toy_config(folder, model, max_iters=1, hooks=[dict(type="TrainingCheckHook")])


def cross_entropy(count):
    return dict(type="CrossEntropyLoss", class_weight=[1.0] * count)


@pytest.mark.parametrize(
    ("head", "changes", "message"),
    [
        (dict(num_classes=2), {}, r"model\.decode_head\.num_classes: got 2; allowed: 3, the "
         r"classes of train_dataloader\.dataset \(SegToyDataset\)\. .*: a, b, c"),
        (dict(num_classes=19), {}, r"model\.decode_head\.num_classes: got 19; allowed: 3"),
        ({}, dict(auxiliary_head=fcn_head() | dict(num_classes=2)),
         r"model\.auxiliary_head\.num_classes: got 2"),
        ({}, dict(auxiliary_head=[fcn_head(), fcn_head() | dict(num_classes=4)]),
         r"model\.auxiliary_head\[1\]\.num_classes: got 4"),
        (dict(loss_decode=cross_entropy(2)), {},
         r"model\.decode_head\.loss_decode\.class_weight: got '2 weights'; allowed: 3"),
        (dict(loss_decode=[cross_entropy(3), cross_entropy(4)]), {},
         r"loss_decode\[1\]\.class_weight: got '4 weights'"),
    ],
)  # fmt: skip
def test_another_number_than_the_datas(head, changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path, head, **changes))


def test_what_fits_trains(tmp_path):
    cfg = config(tmp_path, dict(loss_decode=cross_entropy(3)), auxiliary_head=[fcn_head()])
    cfg["train_dataloader"]["dataset"] = dict(
        type="RepeatDataset", times=2, dataset=dict(type="SegToyDataset")
    )
    _, seen = train(cfg)
    assert seen.log[0]["decode.loss_ce"] > 0


def test_a_head_for_edges_and_data_without_classes():
    class Head(nn.Module):
        num_classes, out_channels = 2, 1

    model = nn.Module()
    model.auxiliary_head = Head()
    check_class_counts(model, SegToyDataset(), "train_dataloader.dataset")
    model.auxiliary_head.out_channels = 2
    check_class_counts(model, object(), "train_dataloader.dataset")
    with pytest.raises(ValueError, match="auxiliary_head.num_classes: got 2"):
        check_class_counts(model, SegToyDataset(), "train_dataloader.dataset")


def test_testing_too(tmp_path):
    cfg = config(tmp_path, dict(num_classes=4))
    cfg |= dict(
        test_dataloader=dict(batch_size=1, dataset=dict(type="SegToyDataset")),
        test_evaluator=dict(type="IoUMetric"),
        test_cfg=dict(),
    )
    with pytest.raises(ValueError, match=r"num_classes: got 4; .* of test_dataloader\.dataset"):
        build_runner(cfg).test()
