import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DATASETS, MODELS
from mmengine.structures import PixelData
from seg_toy import (
    SegToyDataset,
    build_runner,
    fcn_head,
    resnet18,
    segmentor,
    toy_config,
    write_imagenet_file,
)

from mmasg.adaptation import SelfTrainingHook
from mmasg.adaptation.confidence_losses import soft_excess
from mmasg.adaptation.scored_batch import ScoredBatch, padded


@DATASETS.register_module(force=True)
class HalfPseudoLabelled(SegToyDataset):
    """Every odd sample is the target's; its soft labels are its hard ones by half."""

    def __getitem__(self, index):
        data = super().__getitem__(index)
        sample = data["data_samples"]
        if index % 2:
            hard = sample.gt_sem_seg.data.clamp(max=2).to(torch.uint8)
            classes = torch.cat([hard, (hard + 1) % 3, (hard + 2) % 3])
            weights = torch.tensor([128, 64, 63], dtype=torch.uint8).view(3, 1, 1)
            weights = weights.expand_as(classes).contiguous()
            sample.soft_labels = PixelData(classes=classes, weights=weights)
            sample.set_metainfo(dict(pseudo_labelled=True))
        return data


class Witness:
    """Keeps what the loss was called with."""

    def __init__(self, runner):
        loss = runner.model.decode_head.loss_decode
        loss.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, module, args, kwargs):
        self.pred, self.label = args[0].detach(), args[1]


def run(tmp_path, hook, **loss):
    head = fcn_head(dropout_ratio=0.0)
    head["loss_decode"] = dict(type="mmseg.CrossEntropyLoss", **loss)
    made = toy_config(
        tmp_path, segmentor(resnet18(), head), max_iters=1, batch_size=4, hooks=[hook]
    )
    made["train_dataloader"]["dataset"] = dict(type="HalfPseudoLabelled")
    runner = build_runner(made)
    witness, seen = Witness(runner), {}
    parse = runner.model.parse_losses
    runner.model.parse_losses = lambda losses: seen.update(losses) or parse(losses)
    runner.train()
    return witness.pred, witness.label, seen


@pytest.mark.parametrize("non_ignored", [True, False])
def test_both_regularisers_equal_those_computed_by_hand_on_the_target_alone(tmp_path, non_ignored):
    hook = dict(
        type="SelfTrainingHook",
        regularizer=dict(type="MRKLDLoss", loss_weight=0.1),
        soft_labels=True,
    )
    pred, label, seen = run(tmp_path, hook, loss_weight=0.5, avg_non_ignore=non_ignored)
    log = pred.log_softmax(1)
    there = label != 255
    divisor = there.sum() if non_ignored else label.numel()
    target = torch.tensor([False, True, False, True])  # samples 0 to 3, in order
    mine = there & target.view(4, 1, 1)
    mrkld = -log.mean(1)[mine].sum() / divisor
    assert float(seen["loss_mrkld"]) == pytest.approx(0.5 * 0.1 * float(mrkld), rel=1e-5)
    # The whole of it is the cross-entropy with soft labels on the target's pixels.
    shares = torch.tensor([128, 64, 63]) / 255
    soft = sum(
        share * F.nll_loss(log, (label.clamp(max=2) + m) % 3, reduction="none")
        for m, share in enumerate(shares)
    )
    hard = F.nll_loss(log, label, ignore_index=255, reduction="none")
    expected = 0.5 * torch.where(mine, soft, hard)[there].sum() / divisor
    total = seen["decode.loss_ce"] + seen["loss_lrent"]
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("on_target", [False, True])
def test_consistency_goes_on_for_the_source_or_for_both(tmp_path, on_target):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    hook = dict(target_frames=on_target, eval_mode="all")
    made = toy_config(tmp_path, segmentor(resnet18(file)), hook, max_iters=1, batch_size=4)
    made["train_dataloader"]["dataset"] = dict(type="HalfPseudoLabelled")
    runner = build_runner(made)
    guide = next(h for h in runner.hooks if type(h).__name__ == "ImageNetConsistencyHook")
    seen, before = {}, guide.before_run

    def before_run(runner):
        before(runner)  # the teacher is a copy of the backbone, with what hangs on it
        runner.model.backbone.register_forward_pre_hook(
            lambda m, args: seen.update(student=args[0])
        )
        guide.teacher.register_forward_pre_hook(lambda m, args: seen.update(teacher=args[0]))

    guide.before_run = before_run
    runner.train()
    rows = [0, 1, 2, 3] if on_target else [0, 2]
    assert torch.equal(seen["teacher"], seen["student"][rows])


def test_the_sources_samples_pay_nothing():
    pred = torch.randn(2, 3, 4, 4)
    label = torch.randint(0, 3, (2, 4, 4))
    loss = MODELS.build(dict(type="MRKLDLoss", loss_weight=1.0))
    assert float(loss(pred, label, weight=torch.zeros(2, 4, 4))) == 0.0


def test_a_classifier(tmp_path):
    model = MODELS.build(
        dict(
            type="SynRealClassifier",
            backbone=dict(resnet18()),
            head=dict(type="MLPClassifierHead", in_channels=64, num_classes=3),
        )
    )
    batch = ScoredBatch(model, "key")
    batch.need_cross_entropy("key")
    logits = model(torch.randn(2, 3, 32, 32))
    from mmasg.datasets.classification_sample import ClassificationSample

    samples = [ClassificationSample().set_gt_label(n) for n in (2, 0)]
    pred, label, ignored = batch.take(samples)
    assert torch.equal(pred, logits) and label.tolist() == [2, 0] and ignored == -100
    assert float(batch.divisor(label, ignored)) == 2 and batch.weight == 1.0
    classes = padded(torch.tensor([2, 1, 0]).view(3, 1, 1), label)
    assert classes.tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="did not call its loss or its head"):
        batch.take(samples)


def test_soft_excess_in_its_limits():
    pred, label = torch.randn(1, 3, 2, 2), torch.tensor([[[0, 1], [2, 255]]])
    classes = torch.stack([label.clamp(max=2), (label.clamp(max=2) + 1) % 3], 1).byte()
    sure = torch.tensor([255, 0], dtype=torch.uint8).view(1, 2, 1, 1).expand_as(classes)
    assert soft_excess(pred, label, classes, sure).abs().max() < 1e-6
    none = torch.zeros_like(classes)
    assert torch.equal(soft_excess(pred, label, classes, none), torch.zeros(1, 2, 2))
    half = torch.tensor([1, 1], dtype=torch.uint8).view(1, 2, 1, 1).expand_as(classes)
    log = pred.log_softmax(1)
    expected = 0.5 * (log[0, 0, 0, 0] - log[0, 1, 0, 0])
    assert float(soft_excess(pred, label, classes, half)[0, 0, 0]) == pytest.approx(float(expected))
    assert soft_excess(pred, label, classes, half)[0, 1, 1] == 0


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="neither regularizer nor soft_labels is set"):
        SelfTrainingHook()
    with pytest.raises(TypeError, match="SelfTrainingHook.regularizer: got 'mrkld'"):
        SelfTrainingHook(regularizer="mrkld")
    with pytest.raises(ValueError, match="the model has neither decode_head.loss_decode nor head"):
        ScoredBatch(torch.nn.Linear(1, 1), "SelfTrainingHook")
    soft = dict(type="SelfTrainingHook", soft_labels=True)
    with pytest.raises(ValueError, match=r"is CrossEntropyLoss \(or has class weights\)"):
        run(tmp_path, soft, class_weight=[1.0, 1.0, 2.0])
