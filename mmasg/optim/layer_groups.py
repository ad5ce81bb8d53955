"""Optimizer-wrapper constructor that sorts a model's parameters into ordered layer groups."""

from __future__ import annotations

from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .group_assignment import assign
from .group_table import group_table
from .layer_group import DECAY_KEYS, KEY, read_groups


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerGroupOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Give every layer group its own learning-rate multiplier (ASG paper, layer-wise rates).

    Every trainable parameter belongs to exactly one group, and the order of the groups is the
    order in which a learning-rate policy sees them. Paste into a config::

        optim_wrapper = dict(
            type='OptimWrapper',
            constructor='LayerGroupOptimWrapperConstructor',
            optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
            paramwise_cfg=dict(groups=[
                dict(name='stem', patterns=['backbone.conv1.*', 'backbone.bn1.*'], lr_mult=0.1),
                dict(name='body', patterns=['backbone.layer?.*'], lr_mult=0.1),
                dict(name='head', rest=True),
            ]))

    or, for a known backbone, ``paramwise_cfg=dict(preset='resnet', lr_mult=0.1)``.

    Keys of ``paramwise_cfg``:

    - ``groups`` (list[dict]): ``name`` (str); ``patterns`` (list[str]), shell patterns (``*``,
      ``?``, ``[...]``) on full parameter names; or ``rest=True`` for all parameters that no
      pattern names (one group at the most); ``lr_mult`` (float, default 1.0); ``decay_mult``
      (float, default 1.0).
    - ``preset`` (str) instead of ``groups``, see :mod:`mmasg.optim.group_presets`; with
      ``prefix`` (str, default ``'backbone'``), the backbone's place in the model, and
      ``lr_mult`` (float, default 1.0), that of every group but the last.
    - ``custom_keys`` with ``decay_mult``, ``norm_decay_mult``, ``bias_decay_mult``,
      ``dwconv_decay_mult``, ``flat_decay_mult``, ``bypass_duplicate``: as in mmengine, on top
      of the groups (they split a layer group into several optimizer groups that share one
      multiplier). Their ``lr_mult`` counterparts are errors.

    Every entry of ``optimizer.param_groups`` carries ``group_name``, ``group_index`` (the
    group's place, from 0) and ``lr_mult``; its ``lr`` is the base rate times ``lr_mult``.

    Raises:
        ValueError: A pattern matches nothing, a parameter is in two groups or in none, a group
            holds no trainable parameter, a key is unknown, an inherited ``lr_mult``
            contradicts the groups, or there are several optimizers.
        TypeError: ``groups`` or ``patterns`` are of the wrong type.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        several = [
            k for k, v in optim_wrapper_cfg.items() if isinstance(v, dict) and "optimizer" in v
        ]
        if several and "optimizer" not in optim_wrapper_cfg:
            raise ValueError(
                wrong(
                    "optim_wrapper",
                    several,
                    "one optimizer with constructor='LayerGroupOptimWrapperConstructor'",
                    "Write optim_wrapper=dict(optimizer=dict(...), ...), or build several "
                    "optimizers by a constructor of your own.",
                )
            )
        paramwise_cfg = dict(paramwise_cfg or {})
        # mmengine leaves it in place where the base config has nothing to delete.
        paramwise_cfg.pop("_delete_", None)
        self.layer_groups = read_groups(paramwise_cfg)
        self._preset = "preset" in paramwise_cfg
        super().__init__(
            optim_wrapper_cfg, {k: v for k, v in paramwise_cfg.items() if k in DECAY_KEYS}
        )
        if self.base_lr is None:
            raise ValueError(
                wrong("optim_wrapper.optimizer.lr", None, "a rate, which the layer groups multiply")
            )
        decayed = [group.name for group in self.layer_groups if group.decay_mult != 1]
        if decayed and self.base_wd is None:
            raise ValueError(
                wrong(
                    "optim_wrapper.optimizer.weight_decay",
                    None,
                    f"a number, as the groups {decayed} of {KEY} have a decay_mult to multiply it",
                )
            )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper of ``model`` (unwrapped first where it is wrapped)."""
        model = unwrap(model)
        assignment = assign(model, self.layer_groups, self._preset)
        # Plain dicts: as ConfigDicts, which a ConfigDict makes of what is put into it, the groups
        # of the optimizer cannot be traced by torch.compile.
        optimizer = OPTIMIZERS.build(
            dict(self.optimizer_cfg), default_args=dict(params=self._merge(model, assignment))
        )
        wrapper_cfg = dict(self.optim_wrapper_cfg)
        wrapper_cfg.setdefault("type", "OptimWrapper")
        print_log(
            "Layer groups:\n" + group_table(model, self.layer_groups, assignment, self.base_lr),
            logger="current",
        )
        return OPTIM_WRAPPERS.build(wrapper_cfg, default_args=dict(optimizer=optimizer))

    def _merge(self, model: nn.Module, assignment: dict[str, int]) -> list[dict]:
        """Merge mmengine's one group per parameter into one per (layer group, settings)."""
        per_parameter: list[dict] = []
        self.add_params(per_parameter, model)
        names = {id(p): name for name, p in model.named_parameters()}
        merged: dict[tuple, dict] = {}
        seen: set[int] = set()
        for entry in per_parameter:
            (parameter,) = entry.pop("params")
            if id(parameter) in seen:  # shared between modules: the first place counts
                continue
            seen.add(id(parameter))
            index = assignment.get(names[id(parameter)])
            if index is None:  # frozen; the original mmengine lists those too
                continue
            group = self.layer_groups[index]
            entry.pop("lr", None)
            entry.pop("decay_mult", None)
            decay: Any = entry.get("weight_decay", self.base_wd)
            if decay is not None:
                entry["weight_decay"] = decay * group.decay_mult
            key = (index, *sorted((k, repr(v)) for k, v in entry.items()))
            if key not in merged:
                merged[key] = dict(
                    params=[],
                    lr=self.base_lr * group.lr_mult,
                    group_name=group.name,
                    group_index=index,
                    lr_mult=group.lr_mult,
                    **entry,
                )
            merged[key]["params"].append(parameter)
        return sorted(merged.values(), key=lambda entry: entry["group_index"])
