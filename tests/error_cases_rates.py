"""Wrong inputs about who sets the rates; read by test_errors_page.py."""

import pytest
import torch
from error_cases import case, grouped, start

from mmasg.optim import RelativeStepHook, package_optimizers

RELATIVE = [dict(type="RelativeStepHook")]


def rates(folder, optimizer, hooks=(), **changes):
    """Start the toy with an optimizer, of single groups where a number of rates is given."""
    paramwise = changes.pop("paramwise", dict(preset="resnet"))
    config = grouped(folder, paramwise, file=False, **changes)
    config["optim_wrapper"]["optimizer"] = optimizer
    config["custom_hooks"] = [*hooks, dict(type="TrainingCheckHook")]
    start(config)


def needs(package):
    pytest.importorskip(package, reason="needs: pip install mmasg[rates]")


def attach(kind, weight, **settings):
    group = dict(params=[weight], group_name="body", group_index=0)
    optimizer = kind([group], **settings)
    RelativeStepHook(head=1e-4, floor=0).attach(optimizer)
    return optimizer


@case("Rates", "relative steps of an optimizer with closures", "optimizer.type", "closure")
def _(folder, patch):
    attach(torch.optim.LBFGS, torch.ones(3, requires_grad=True))


@case("Rates", "relative steps of a sparse optimizer", "optimizer.type", "sparse gradients")
def _(folder, patch):
    attach(torch.optim.SparseAdam, torch.ones(3, requires_grad=True))


@case("Rates", "relative steps of sparse gradients", "gradients of group 'body'", "sparse=False")
def _(folder, patch):
    table = torch.nn.Embedding(5, 2, sparse=True)
    optimizer = attach(torch.optim.SGD, table.weight, lr=0.1)
    table(torch.tensor([1])).sum().backward()
    optimizer.step()


@case("Rates", "relative steps of a schedule-free optimizer", "optimizer.type", "take another")
def _(folder, patch):
    needs("pytorch_optimizer")
    rates(folder, dict(type="ScheduleFreeSGD", lr=0.1), RELATIVE)


@case("Rates", "relative steps of Prodigy", "optimizer.type", "estimates its rate")
def _(folder, patch):
    needs("pytorch_optimizer")
    rates(folder, dict(type="Prodigy", lr=1.0), RELATIVE)


@case("Rates", "relative steps of DoG", "optimizer.type", "(DoG)")
def _(folder, patch):
    needs("dog")
    rates(folder, dict(type="LayerwiseDoG", lr=1.0), RELATIVE)


@case("Rates", "relative steps of weights that are all zero, without a floor", "floor", "above 0")
def _(folder, patch):
    attach(torch.optim.SGD, torch.zeros(3, requires_grad=True), lr=0.1)


@case("Rates", "relative steps at a base rate of 0", "optimizer.lr", "dict(name=0)")
def _(folder, patch):
    rates(folder, dict(type="SGD", lr=0.0), RELATIVE)


@case("Rates", "relative steps below 0", "RelativeStepHook.body", "at least 0")
def _(folder, patch):
    RelativeStepHook(body=-1e-4)


@case("Rates", "relative steps of a group that there is not", "RelativeStepHook.groups", "layer4")
def _(folder, patch):
    hook = dict(type="RelativeStepHook", groups=dict(layer5=1e-3))
    rates(folder, dict(type="SGD", lr=0.1), [hook])


@case("Rates", "hand-set multipliers with Prodigy", "lr_mult", "Leave lr_mult out")
def _(folder, patch):
    needs("pytorch_optimizer")
    rates(folder, dict(type="Prodigy", lr=1.0), paramwise=dict(preset="resnet", lr_mult=0.1))


@case("Rates", "an argument that an optimizer has not", "optimizer.momentun", "Did you mean")
def _(folder, patch):
    needs("pytorch_optimizer")
    rates(folder, dict(type="LARS", lr=0.1, momentun=0.9))


@case("Rates", "an optimizer whose package is not installed", "type='LARS'", "mmasg[rates]")
def _(folder, patch):
    patch.setitem(package_optimizers.PACKAGE_OPTIMIZERS, "LARS", ("no_such_package", "LARS"))
    rates(folder, dict(type="LARS", lr=0.1))


@case("Rates", "a schedule-free optimizer that nobody switches", "custom_hooks", "ScheduleFreeHook")
def _(folder, patch):
    needs("pytorch_optimizer")
    rates(folder, dict(type="ScheduleFreeSGD", lr=0.1))


@case("Rates", "ScheduleFreeHook with SGD", "optimizer.type", "Leave the hook out")
def _(folder, patch):
    rates(folder, dict(type="SGD", lr=0.1), [dict(type="ScheduleFreeHook")])
