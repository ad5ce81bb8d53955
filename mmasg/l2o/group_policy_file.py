"""Files of :class:`~mmasg.l2o.GroupPolicy`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mmasg.checkpoint.atomic_files import save_atomically
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.errors import wrong

from .fitting_weights import check_weights
from .group_policy import GROUP_INPUTS, RUN_INPUTS, GroupPolicy
from .policy_file import policy_path

KIND = "GroupPolicy"
_INPUTS = dict(groups=list(GROUP_INPUTS), run=list(RUN_INPUTS))


def build_group_policy(policy: str | Path | Mapping[str, Any] | GroupPolicy) -> GroupPolicy:
    """Build a policy.

    Args:
        policy: What :func:`load_group_policy` takes, or ``dict(type='GroupPolicy', ...)`` with the
            constructor's arguments for an untrained one.

    Returns:
        The policy, on the CPU and in eval mode.

    Raises:
        FileNotFoundError: Neither a packaged policy nor a file.
        ValueError: A file that does not fit, or a dict of another type.
        TypeError: Another kind of value, or an unknown argument.
    """
    if isinstance(policy, GroupPolicy):
        return policy
    if isinstance(policy, (str, Path)):
        return load_group_policy(policy)
    if not isinstance(policy, Mapping):
        allowed = "a packaged policy's name, a file or a config dict"
        raise TypeError(wrong("policy", policy, allowed))
    arguments = {key: value for key, value in policy.items() if key != "type"}
    if policy.get("type", KIND) != KIND:
        raise ValueError(wrong("policy.type", policy["type"], repr(KIND)))
    # Untrained policies are alike in what they decide; the same seed keeps them alike in all.
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return GroupPolicy(**arguments).eval()


def file_meta(policy: GroupPolicy) -> dict[str, Any]:
    """What a policy's file says of it under ``meta``."""
    return dict(kind=KIND, arguments=policy.arguments, inputs=_INPUTS)


def save_group_policy(policy: GroupPolicy, path: str | Path, **meta: Any) -> None:
    """Write a policy's weights, the constructor's arguments and the names of its inputs.

    Args:
        policy: The policy.
        path: The file to write.
        **meta: Further plain values for ``meta``.
    """
    meta.update(file_meta(policy))
    weights = {name: value.cpu() for name, value in policy.state_dict().items()}
    save_atomically(dict(state_dict=weights, meta=meta), path)


def load_group_policy(name: str | Path) -> GroupPolicy:
    """Read a policy.

    Args:
        name: A packaged policy's name or a path.

    Returns:
        The policy, on the CPU and in eval mode.

    Raises:
        FileNotFoundError: No such name and no such file.
        ValueError: A file that is no checkpoint or holds code; another kind of policy; one that
            was trained on other inputs; weights that do not fit what ``meta`` says.
    """
    path = policy_path(name)
    content = load_checkpoint(path, map_location="cpu", key="policy")
    content = content if isinstance(content, Mapping) else {}
    meta, weights = (_mapping(content.get(key)) for key in ("meta", "state_dict"))
    key = f"policy: {path}"
    if meta.get("kind") != KIND:
        remedy = "LayerLRPolicyHook(policy=...) takes a file of an LSTMPolicy."
        raise ValueError(wrong(f"{key}: meta.kind", meta.get("kind"), repr(KIND), remedy))
    if meta.get("inputs") != _INPUTS:
        remedy = "It was trained on other inputs: train it anew."
        raise ValueError(wrong(f"{key}: meta.inputs", meta.get("inputs"), str(_INPUTS), remedy))
    arguments = meta.get("arguments")
    try:
        policy = GroupPolicy(**_mapping(arguments))
    except TypeError:
        allowed = "the arguments of GroupPolicy"
        raise ValueError(wrong(f"{key}: meta.arguments", arguments, allowed)) from None
    check_weights(weights, policy, key, "Give a file that save_group_policy has written.")
    policy.load_state_dict(weights)
    return policy.eval()


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
