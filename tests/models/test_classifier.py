"""SynRealClassifier and its test-time augmentation, alone and under mmengine's runner."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from mmengine.runner import Runner
from PIL import Image
from torch import nn

from mmasg.datasets.classification_sample import ClassificationSample, set_prediction
from mmasg.models.classifier import SynRealClassifier
from mmasg.models.classifier_head import MLPClassifierHead
from mmasg.models.classifier_tta import SigmoidMeanTTAModel


@MODELS.register_module(name="SixChannelsForTests")
class SixChannels(nn.Module):
    """A convolution in place of a backbone; two outputs, as the backbones have."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)

    def forward(self, x):
        x = self.conv(x)
        return x[:, :2], x.relu()


def model_cfg(**head):
    return dict(
        type="SynRealClassifier",
        backbone=dict(type="SixChannelsForTests"),
        head=dict(type="MLPClassifierHead", in_channels=6, num_classes=3, hidden_channels=4) | head,
    )


def batch(labels=(0, 2)):
    images = [torch.randint(0, 256, (3, 8, 10), dtype=torch.uint8) for _ in labels]
    return dict(
        inputs=images, data_samples=[ClassificationSample().set_gt_label(i) for i in labels]
    )


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_tensor_mode_gives_the_logits_of_pooled_features():
    model = MODELS.build(model_cfg())
    x = torch.randn(2, 3, 8, 10)
    pooled = model.backbone(x)[-1].mean(dim=(2, 3))
    expected = model.head.fc[2](model.head.fc[0](pooled).relu())
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    assert {name for name, _ in model.named_parameters()} == {
        "backbone.conv.weight",
        "backbone.conv.bias",
        *(f"head.fc.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")),
    }


def test_loss_is_the_mean_cross_entropy_of_normalised_rgb():
    model = MODELS.build(model_cfg())
    data = batch()
    rgb = torch.stack(data["inputs"])[:, [2, 1, 0]].float()
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    logits = model((rgb - mean[:, None, None]) / std[:, None, None])
    log_p = logits.log_softmax(dim=1)
    expected = -(log_p[0, 0] + log_p[1, 2]) / 2
    losses = model(**model.data_preprocessor(data, True), mode="loss")
    # the same float32 operations but for the order of two sums
    torch.testing.assert_close(losses["loss_ce"], expected, rtol=1e-5, atol=1e-6)
    right = (logits.argmax(dim=1) == torch.tensor([0, 2])).float().mean() * 100
    assert losses["acc_top1"] == right


def test_predict_keeps_labels_and_adds_scores():
    model = MODELS.build(model_cfg())
    model.eval()
    samples = model.val_step(batch())
    assert [sample.gt_label.item() for sample in samples] == [0, 2]
    for sample in samples:
        assert sample.pred_score.sum().item() == pytest.approx(1, abs=1e-6)
        assert sample.pred_label.item() == sample.pred_score.argmax().item()
    unlabelled = model(torch.randn(2, 3, 8, 8), mode="predict")
    assert len(unlabelled) == 2 and "gt_label" not in unlabelled[0]


def test_head_without_hidden_layer():
    head = MLPClassifierHead(6, 3, hidden_channels=None)
    pooled = torch.randn(2, 6)
    torch.testing.assert_close(head(pooled), head.fc[0](pooled))


@pytest.mark.parametrize("classes", [0, 1, "12"])
def test_too_few_classes(classes):
    with pytest.raises(ValueError, match="model.head.num_classes must be an integer of at least 2"):
        MLPClassifierHead(6, classes)


def test_wrong_channels_and_wrong_mode():
    model = MODELS.build(model_cfg(in_channels=7))
    with pytest.raises(ValueError, match="in_channels is 7, but feature map -1 .* has 6 channels"):
        model(torch.randn(1, 3, 8, 8))
    with pytest.raises(ValueError, match="mode must be 'tensor', 'loss' or 'predict', got 'train'"):
        model(torch.randn(1, 3, 8, 8), mode="train")


def test_loss_without_labels():
    model = MODELS.build(model_cfg())
    with pytest.raises(ValueError, match="mode='loss' needs data_samples that all have a gt_label"):
        model(torch.randn(1, 3, 8, 8), [ClassificationSample()], mode="loss")


def test_images_of_unequal_size_are_not_padded():
    data = batch()
    data["inputs"][1] = data["inputs"][1][:, :5]
    with pytest.raises(ValueError, match="different shapes.*ResizeShorterSide"):
        MODELS.build(model_cfg()).val_step(data)


def test_tta_is_the_mean_of_the_sigmoids():
    logits = torch.tensor([[2.0, -1.0, 0.0], [-3.0, 1.0, 0.5]])
    views = []
    for row in logits:
        views.append(ClassificationSample().set_gt_label(1))
        set_prediction(views[-1], row.softmax(0), row)
    tta = SigmoidMeanTTAModel(
        module=SynRealClassifier(**{k: v for k, v in model_cfg().items() if k != "type"})
    )
    (merged,) = tta.merge_preds([views])
    expected = [(1 / (1 + np.exp(-a)) + 1 / (1 + np.exp(-b))) / 2 for a, b in logits.T.tolist()]
    assert merged.pred_score.tolist() == pytest.approx(expected, rel=1e-6)
    assert merged.pred_label.item() == 2 and merged.gt_label.item() == 1
    with pytest.raises(ValueError, match="needs pred_logits"):
        tta.merge_preds([[ClassificationSample()]])


def test_runner_learns_colours_and_tests_with_mirror_images(tmp_path):
    """Three colours are three classes: training, CaffeSGD, metric and TTA in one run."""
    for name, color in (("blue", (0, 0, 255)), ("green", (0, 255, 0)), ("red", (255, 0, 0))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), color).save(tmp_path / "data" / name / f"{i}.png")
    load, pack = dict(type="LoadImageFromFile"), dict(type="PackClassification")
    mirror = [[dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)], [pack]]
    loader = dict(
        batch_size=5,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=True),
        dataset=dict(
            type="FolderClassificationDataset",
            data_root=str(tmp_path / "data"),
            pipeline=[load, pack],
        ),
    )
    tta_loader = loader | dict(
        dataset=loader["dataset"]
        | dict(pipeline=[load, dict(type="TestTimeAug", transforms=mirror)])
    )
    settings = dict(
        work_dir=str(tmp_path / "run"),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=8),
        optim_wrapper=dict(optimizer=dict(type="CaffeSGD", lr=0.1, momentum=0.9)),
        test_cfg=dict(),
        test_evaluator=dict(type="PerClassAccuracy"),
        default_scope="mmengine",
        randomness=dict(seed=0),
        log_level="ERROR",
    )
    runner = Runner(model=model_cfg(), test_dataloader=loader, experiment_name="plain", **settings)
    runner.train()
    assert runner.test()["accuracy/mean"] == 100
    tested = Runner(
        model=dict(type="SigmoidMeanTTAModel", module=model_cfg()),
        test_dataloader=tta_loader,
        experiment_name="mirrored",
        **{k: v for k, v in settings.items() if not k.startswith(("train", "optim"))},
    )
    tested.model.module.load_state_dict(runner.model.state_dict())
    assert tested.test()["accuracy/mean"] == 100


def test_extra_losses_stand_beside_the_cross_entropy():
    head = MLPClassifierHead(6, 3, extra_losses=[dict(type="DCALoss", loss_weight=0.5)])
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    found = head.loss(logits, labels)
    assert list(found) == ["loss_ce", "loss_dca", "acc_top1"]
    gap = logits.softmax(1).amax(1).mean() - (logits.argmax(1) == labels).float().mean()
    torch.testing.assert_close(found["loss_dca"], 0.5 * gap.abs())
    with pytest.raises(ValueError, match="extra_losses: got .*losses of different names"):
        MLPClassifierHead(6, 3, extra_losses=[dict(type="DCALoss")] * 2)
