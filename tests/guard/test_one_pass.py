import pytest
import torch
from mmengine.registry import OPTIMIZERS
from seg_toy import resnet18, segmentor, toy_config, train

from mmasg.guard.one_pass import check_one_pass
from mmasg.optim import RelativeStepHook

MESSAGE = "optimizer.type: got '{}'.*twice a step.*StochasticWeightAverage"


@OPTIMIZERS.register_module(force=True)
class TwoPassSGD(torch.optim.SGD):
    """With the two steps that implementations of SAM have."""

    def first_step(self, zero_grad=False):
        """Climb."""

    def second_step(self, zero_grad=False):
        """Go back, and descend."""


def test_refused_before_the_first_iteration(tmp_path):
    config = toy_config(
        tmp_path,
        segmentor(resnet18()),
        hooks=[dict(type="TrainingCheckHook")],
        optim_wrapper=dict(optimizer=dict(type="TwoPassSGD", lr=0.1)),
    )
    with pytest.raises(ValueError, match=MESSAGE.format("TwoPassSGD")):
        train(config)
    parameters = [torch.nn.Parameter(torch.ones(2))]
    with pytest.raises(ValueError, match=MESSAGE.format("TwoPassSGD")):
        RelativeStepHook().attach(TwoPassSGD(parameters, lr=0.1))
    check_one_pass(torch.optim.SGD(parameters, lr=0.1))


def test_the_packages_own():
    package = pytest.importorskip("pytorch_optimizer")
    parameters = [torch.nn.Parameter(torch.ones(2))]
    sam = package.SAM(parameters, base_optimizer=torch.optim.SGD, lr=0.1)
    with pytest.raises(ValueError, match=MESSAGE.format("SAM")):
        check_one_pass(sam)
