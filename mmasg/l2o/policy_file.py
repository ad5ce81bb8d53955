"""Policies by name, by file or by config: the packaged ones, checkpoints, new ones."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import nn

from mmasg.checkpoint.atomic_files import save_atomically
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.errors import did_you_mean, wrong

from .policy import DEFAULT_MULTIPLIERS, LSTMPolicy, check_multipliers
from .policy_names import is_reference_policy, policy_size

BOX = Path(__file__).parent / "policies"


def packaged_policies() -> list[str]:
    """Names of the policies that come with the package."""
    return sorted(path.stem for path in BOX.glob("*.pth"))


def build_policy(policy: str | Path | Mapping[str, Any] | LSTMPolicy) -> LSTMPolicy:
    """Build a policy.

    Args:
        policy: The name of a packaged policy (``'mini'``), the path of a checkpoint file, or a
            config dict: ``dict(type='LSTMPolicy', num_groups=7, ...)`` with the constructor's
            arguments, and optionally ``checkpoint`` (a name or path) for its weights. A dict's
            arguments win over what the file says (``carry_state``, ``multipliers``).

    Returns:
        The policy, on the CPU and in eval mode.

    Raises:
        FileNotFoundError: Neither a packaged policy nor a file.
        ValueError: A file with missing or extra names, or of another size than the dict says.
        TypeError: Another kind of value.
    """
    if isinstance(policy, LSTMPolicy):
        return policy
    if isinstance(policy, (str, Path)):
        policy = dict(checkpoint=str(policy))
    if not isinstance(policy, Mapping):
        raise TypeError(
            wrong("policy", policy, "a packaged policy's name, a file or a config dict")
        )
    config = dict(type="LSTMPolicy", **policy) if "type" not in policy else dict(policy)
    checkpoint = config.pop("checkpoint", None)
    if checkpoint is None:
        print_log(
            "The learning-rate policy has no `checkpoint`: its weights are new, its choices "
            "close to uniform.",
            logger="current",
            level=logging.WARNING,
        )
        return MODELS.build(config).eval()
    weights, found = load_policy_file(checkpoint)
    for key in ("num_groups", "num_scalars", "hidden_size"):
        if config.get(key, found[key]) != found[key]:
            allowed = f"{found[key]}, as {checkpoint} has it"
            raise ValueError(wrong(f"policy.{key}", config[key], allowed))
    config = {**found, **config}
    count = len(found["multipliers"])
    if len(config["multipliers"]) != count:
        allowed = f"{count} numbers, as {checkpoint} chooses from so many"
        raise ValueError(wrong("policy.multipliers", config["multipliers"], allowed))
    model = MODELS.build(config)
    model.load_state_dict(weights, strict=True)
    return model.eval()


def policy_facts(config: Any, policy: LSTMPolicy) -> dict[str, Any]:
    """What identifies a policy: its file's weights by a digest, or the config of a new one.

    Args:
        config: What :func:`build_policy` was given.
        policy: What it returned.

    Returns:
        ``carry_state`` and ``weights`` (``'new'``, or twelve hexadecimal digits).
    """
    new = isinstance(config, Mapping) and config.get("checkpoint") is None
    return dict(carry_state=policy.carry_state, weights="new" if new else weights_digest(policy))


def weights_digest(policy: nn.Module) -> str:
    """Twelve hexadecimal digits that tell a policy's weights from others."""
    digest = hashlib.sha256()
    for name, value in sorted(policy.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def policy_path(name: str | Path) -> Path:
    """Where a policy is that is given by a packaged name or as a file.

    Raises:
        FileNotFoundError: No such name and no such file.
    """
    path = BOX / f"{name}.pth"
    if not path.is_file() or "/" in str(name):
        path = Path(name)
    if not path.is_file():
        there = packaged_policies()
        allowed = f"a packaged policy ({', '.join(there)}) or a meta-training's checkpoint file"
        remedy = f"There is no such file.{did_you_mean(name, there)}"
        raise FileNotFoundError(wrong("policy", str(name), allowed, remedy))
    return path


def load_policy_file(name: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a policy's weights and the constructor arguments that they imply.

    The file is a state dict in :class:`LSTMPolicy`'s names, alone or under ``'state_dict'``, and
    optionally ``'meta'`` with ``carry_state`` and ``multipliers``; any checkpoint of a
    meta-training run is one.

    Args:
        name: A packaged policy's name or a path.

    Returns:
        The state dict, and ``num_groups``, ``num_scalars``, ``hidden_size``, ``multipliers`` and
        ``carry_state`` for the constructor.

    Raises:
        FileNotFoundError: No such name and no such file.
        ValueError: A file that is no checkpoint or holds code; missing or extra names, or shapes
            that do not fit together; a released policy that has not been converted.
    """
    path = policy_path(name)
    content = load_checkpoint(path, map_location="cpu", key="policy")
    weights = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping):
        raise ValueError(
            wrong(
                f"policy: {path}", type(content).__name__, "a state dict, or dict(state_dict=...)"
            )
        )
    meta = content.get("meta") if weights is not content else None
    meta = meta if isinstance(meta, Mapping) else {}
    if meta.get("kind", "LSTMPolicy") != "LSTMPolicy":
        remedy = "GroupPolicyHook(policy=...) takes a file of a GroupPolicy."
        raise ValueError(wrong(f"policy: {path}: meta.kind", meta["kind"], "'LSTMPolicy'", remedy))
    if is_reference_policy(weights):
        raise ValueError(
            f"policy: {path} is a released policy with its own names. Convert it first: "
            f"python tools/model_converters/asg_checkpoint.py {path} policy.pth"
        )
    found: dict[str, Any] = policy_size(weights, f"policy: {path}")
    count = found.pop("num_multipliers")
    multipliers = check_multipliers(
        meta.get("multipliers", DEFAULT_MULTIPLIERS), f"policy: {path}: meta"
    )
    if len(multipliers) != count:
        allowed = f"{count} numbers, as the policy chooses from so many"
        raise ValueError(wrong(f"policy: {path}: meta.multipliers", list(multipliers), allowed))
    found.update(multipliers=multipliers, carry_state=bool(meta.get("carry_state", True)))
    return dict(weights), found


def export_policy(source: str | Path, target: str | Path, **meta: Any) -> None:
    """Write a policy file of weights and meta alone from any file that holds a policy.

    Args:
        source: What :func:`load_policy_file` reads, a meta-training's checkpoint for example.
        target: The file to write.
        **meta: Further plain values for ``meta``, beside ``multipliers`` and ``carry_state``.
    """
    weights, found = load_policy_file(source)
    meta.update(multipliers=list(found["multipliers"]), carry_state=found["carry_state"])
    save_atomically(dict(state_dict=weights, meta=meta), target)
