"""Wrong inputs of the other ideas (docs/neighbours.md); the rest is in tests/error_cases.py."""

import numpy as np
import torch
from error_cases import case, start, toy
from mmengine.registry import MODELS, OPTIMIZERS
from seg_toy import linear_state, random_state, resnet18, segmentor

from mmasg.consistency import ImageNetConsistencyHook
from mmasg.datasets.pasta import PASTA
from mmasg.evaluation import CalibrationErrorMetric


@OPTIMIZERS.register_module(force=True)
class ClimbingSGD(torch.optim.SGD):
    """With the two steps that implementations of SAM have."""

    def first_step(self):
        """Climb."""

    def second_step(self):
        """Go back, and descend."""


def contrast(folder, **options):
    loss = dict(type="ContrastiveAgreement", **options)
    start(toy(folder, dict(loss=loss)))


@case("Contrast", "a stage that the backbone has not", "loss.stages: got index 7", "Give an index")
def _(folder, patch):
    contrast(folder, stages=[7])


@case("Contrast", "a bank smaller than a batch", "bank_size: got 1", "Give a larger bank_size")
def _(folder, patch):
    contrast(folder, bank_size=1)


@case("Contrast", "a grid finer than the feature map", "ContrastiveAgreement.grid", "smaller grid")
def _(folder, patch):
    contrast(folder, grid=5)


@case("Contrast", "two losses and one weight", "loss_weight: got 1.0", "for the 2 losses")
def _(folder, patch):
    losses = [dict(type="ImageNetKLLoss"), dict(type="ContrastiveAgreement")]
    ImageNetConsistencyHook(loss=losses)


@case("Appearance", "`PASTA` on a normalised image", "values from -1.5", "before what normalises")
def _(folder, patch):
    PASTA()(dict(img=np.full((8, 8, 3), -1.5, np.float32)))


@case("Calibration", "calibration of predictions without scores", "pred_label", "without --tta")
def _(folder, patch):
    CalibrationErrorMetric().process(None, [dict(pred_label=1, gt_label=1)])


@case("Whitening", "whitening that gathers beyond the end", "start + gather: got 50", "gather less")
def _(folder, patch):
    start(toy(folder, hooks=[dict(type="InstanceWhiteningHook", stages=[0])]))


@case("Whitening", "a plain ImageNet file for IBN-Net's teacher", "bn1.weight", "very architecture")
def _(folder, patch):
    folder.mkdir(exist_ok=True)
    torch.save({**random_state(resnet18()), **linear_state(64)}, folder / "plain.pth")
    start(toy(folder, {}, model=segmentor(resnet18(folder / "plain.pth", type="IBNResNet"))))


@case(
    "Foundation models", "registers that the file has not", "missing ['registers']", "does not fit"
)
def _(folder, patch):
    cfg = dict(type="FoundationViT", img_size=32, embed_dims=8, num_layers=1, num_heads=1)
    torch.save(random_state(cfg), folder / "vit.pth")
    init = dict(type="Pretrained", checkpoint=str(folder / "vit.pth"))
    MODELS.build(dict(cfg, num_registers=4, init_cfg=init)).init_weights()


@case(
    "Flat minima", "an optimizer that needs two passes", "got 'ClimbingSGD'", "average the weights"
)
def _(folder, patch):
    start(toy(folder, {}, optim_wrapper=dict(optimizer=dict(type="ClimbingSGD", lr=0.1))))
