"""Optimizers of other packages that are to need no rate, under names that a config may say."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mmengine.registry import OPTIMIZERS
from torch.optim import Optimizer

from mmasg.errors import did_you_mean, wrong
from mmasg.guard.own_rates import takes_one_rate
from mmasg.optional import optional_import

#: ``{name in a config: (module, class)}``; all from ``pip install mmasg[rates]``.
PACKAGE_OPTIMIZERS = {
    "DAdaptationSGD": ("pytorch_optimizer", "DAdaptSGD"),
    "DAdaptationAdam": ("pytorch_optimizer", "DAdaptAdam"),
    "Prodigy": ("pytorch_optimizer", "Prodigy"),
    "ScheduleFreeSGD": ("pytorch_optimizer", "ScheduleFreeSGD"),
    "ScheduleFreeAdamW": ("pytorch_optimizer", "ScheduleFreeAdamW"),
    "LARS": ("pytorch_optimizer", "LARS"),
    "LayerwiseDoG": ("dog", "LDoG"),
}


def build_package_optimizer(name: str, params: Any, **settings: Any) -> Optimizer:
    """Build an optimizer of :data:`PACKAGE_OPTIMIZERS`.

    Args:
        name: Its name there.
        params: Parameters, or groups of them.
        **settings: Arguments of the class.

    Returns:
        The optimizer.

    Raises:
        ImportError: Its package does not import; says how to install it.
        ValueError: An argument that the class has not (the packages would ignore it), or groups
            of several rates where one is estimated for all (the first group's would be taken).
    """
    module, kind = PACKAGE_OPTIMIZERS[name]
    key = "optim_wrapper.optimizer"
    package = optional_import(module, f"{key}.type='{name}'", "mmasg[rates]")
    optimizer_class = getattr(package, kind)
    parameters = inspect.signature(optimizer_class.__init__).parameters.values()
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD][2:]  # self, params
    for argument in settings:
        if argument not in known:
            hint = did_you_mean(argument, known).strip()
            raise ValueError(wrong(f"{key}.{argument}", settings[argument], ", ".join(known), hint))
    optimizer: Optimizer = optimizer_class(params, **settings)
    rates = list(dict.fromkeys(float(group["lr"]) for group in optimizer.param_groups))
    if len(rates) > 1 and takes_one_rate(optimizer):
        raise ValueError(
            wrong(
                "optim_wrapper.paramwise_cfg.lr_mult (rates of the groups)",
                rates,
                f"the same rate for all layer groups, as {name} estimates one for all of them",
                "Leave lr_mult out (in a config that inherits it: lr_mult=1.0).",
            )
        )
    return optimizer


def _named(name: str) -> Callable[..., Optimizer]:
    def build(params: Any, **settings: Any) -> Optimizer:
        return build_package_optimizer(name, params, **settings)

    return build


for _name in PACKAGE_OPTIMIZERS:
    # Whoever has registered the name before means the same algorithm.
    if _name not in OPTIMIZERS.module_dict:
        OPTIMIZERS.register_module(name=_name, module=_named(_name))
