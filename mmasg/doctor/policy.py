"""What a learned policy would see and set, and whether the one in the config fits."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config
from mmengine.registry import HOOKS
from torch import nn

from mmasg.errors import first_of
from mmasg.l2o.group_policy_hook import GroupPolicyHook
from mmasg.l2o.observation import SCALARS
from mmasg.l2o.policy_hook import LayerLRPolicyHook
from mmasg.optim.group_assignment import assign
from mmasg.optim.layer_group import LayerGroup, read_groups

from .additions import CONSTRUCTOR, hooks_of
from .findings import Part

_KIND = "LayerLRPolicyHook"
_OF_ALL = "GroupPolicyHook"


def examine_policy(cfg: Config, model: nn.Module) -> Part:
    """Say what a policy observes with this config's layer groups, and when it decides."""
    part = Part("learned rates")
    with part.catching():
        groups = _groups(cfg, model)
        if not groups:
            part.facts.append(f"none: they need constructor='{CONSTRUCTOR}'")
            return part
        names = [group.name for group in groups]
        part.facts.append(
            f"a policy would see {len(SCALARS) + len(names)} numbers: {', '.join(SCALARS)}, and "
            f"the multiplier of {', '.join(names)}"
        )
        hooks = [*hooks_of(cfg, _KIND), *hooks_of(cfg, _OF_ALL)]
        if not hooks:
            part.facts.append(f"the config has no {_KIND}: every group keeps its rate")
            return part
        hook = HOOKS.build(copy.deepcopy(dict(hooks[0])))
        choices = hook.policy if isinstance(hook, GroupPolicyHook) else hook
        part.facts.append(f"mode '{hook.mode}', multipliers {first_of(choices.multipliers, 12)}")
        held = [group.name for group in groups if group.lr_mult != 1]
        if held:
            part.errors.append(
                f"optim_wrapper.paramwise_cfg: lr_mult of {first_of(held)} is not 1, and the "
                "policy sets the rates. Leave lr_mult out"
            )
        if isinstance(hook, GroupPolicyHook):
            part.facts.append(f"{_OF_ALL}: multipliers are of the relative steps, for all groups")
        elif hook.policy is not None and hook.policy.num_groups != len(groups):
            part.errors.append(
                f"{_KIND}.policy: it was trained for {hook.policy.num_groups} layer groups, the "
                f"config has {len(groups)} ({', '.join(names)}). Group the layers so, or train a "
                "policy for these"
            )
        part.facts.append(_decisions(cfg, hook))
    return part


def _groups(cfg: Config, model: nn.Module) -> list[LayerGroup]:
    wrapper = cfg.get("optim_wrapper") or {}
    if wrapper.get("constructor") != CONSTRUCTOR:
        return []
    rules: dict[str, Any] = {
        k: v for k, v in (wrapper.get("paramwise_cfg") or {}).items() if k != "_delete_"
    }
    groups = read_groups(rules)
    assign(model, groups, "preset" in rules)
    return groups


def _decisions(cfg: Config, hook: LayerLRPolicyHook | GroupPolicyHook) -> str:
    max_iters = (cfg.get("train_cfg") or {}).get("max_iters")
    if max_iters is None:
        return f"windows: {hook.window.settings()}, in a run by epochs"
    hook.window.bind(None, max_iters)
    done, ends = 0, []
    while done < max_iters:
        done += hook.window.length(done)
        ends.append(min(done, max_iters))
    first = ", ".join(map(str, ends[:5]))
    return f"{len(ends) - 1} decisions in {max_iters:,} iterations, after iteration {first}, ..."
