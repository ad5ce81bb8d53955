"""Policies by name, by file or by config: the packaged ones, checkpoints, new ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS

from mmasg.checkpoint.atomic_files import save_atomically
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.errors import did_you_mean, first_of

from .policy import DEFAULT_MULTIPLIERS, LSTMPolicy
from .policy_names import is_reference_policy, policy_size

BOX = Path(__file__).parent / "policies"


def packaged_policies() -> list[str]:
    """Names of the policies that come with the package."""
    return sorted(path.stem for path in BOX.glob("*.pth"))


def build_policy(policy: str | Mapping[str, Any] | LSTMPolicy) -> LSTMPolicy:
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
            "`policy` must be the name of a packaged policy, a file or a config dict, "
            f"got {type(policy).__name__}."
        )
    config = dict(policy)
    config.setdefault("type", "LSTMPolicy")
    checkpoint = config.pop("checkpoint", None)
    if checkpoint is None:
        print_log(
            "The learning-rate policy has no `checkpoint`: its weights are new, its choices "
            "close to uniform.",
            logger="current",
            level=logging.WARNING,
        )
        model = MODELS.build(config)
    else:
        weights, found = load_policy_file(checkpoint)
        for key in ("num_groups", "num_scalars", "hidden_size"):
            if config.get(key, found[key]) != found[key]:
                raise ValueError(
                    f"policy.{key}={config[key]}, but {checkpoint} holds a policy with "
                    f"{key}={found[key]}: drop the key or choose another file."
                )
        config = {**found, **config}
        if len(config["multipliers"]) != len(found["multipliers"]):
            raise ValueError(
                f"policy.multipliers has {len(config['multipliers'])} values, but {checkpoint} "
                f"chooses from {len(found['multipliers'])}."
            )
        model = MODELS.build(config)
        own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        odd = [name for name, value in weights.items() if tuple(value.shape) != own.get(name)]
        if odd or not all(value.isfinite().all() for value in weights.values()):
            raise ValueError(
                f"{checkpoint} holds no policy that can act: "
                + (f"{first_of(odd)} are of other shapes." if odd else "a number is not finite.")
                + " Take the checkpoint before it, or export the policy again."
            )
        model.load_state_dict(weights, strict=True)
    return model.eval()


def policy_path(name: str | Path) -> Path:
    """Where a policy is that is given by a packaged name or as a file.

    Raises:
        FileNotFoundError: No such name and no such file.
    """
    path = BOX / f"{name}.pth"
    if not path.is_file() or "/" in str(name):
        path = Path(name)
    if not path.is_file():
        hint = did_you_mean(name, packaged_policies())
        raise FileNotFoundError(
            f"policy='{name}' is neither a packaged policy ({packaged_policies()}) nor a file."
            f"{hint} Give a packaged name, or the path of a meta-training's checkpoint."
        )
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
        ValueError: Missing or extra names; a released policy that has not been converted.
    """
    path = policy_path(name)
    content = load_checkpoint(path, "cpu", "policy")
    weights = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        raise ValueError(f"{path} holds no state dict, but a {type(content).__name__}.")
    if is_reference_policy(weights):
        raise ValueError(
            f"{path} is a released policy with its own names. Convert it first: "
            f"python tools/model_converters/asg_checkpoint.py {path} policy.pth"
        )
    try:
        found: dict[str, Any] = policy_size(weights)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    count = found.pop("num_multipliers")
    meta = content.get("meta", {}) if weights is not content else {}
    multipliers = meta.get("multipliers", DEFAULT_MULTIPLIERS) if isinstance(meta, Mapping) else ()
    numbers = isinstance(multipliers, (list, tuple)) and {type(m) for m in multipliers}
    if not numbers or not numbers <= {int, float} or len(multipliers) != count:
        raise ValueError(
            f"{path} chooses from {count} multipliers, but its `meta.multipliers` is "
            f"{multipliers!r}: write dict(state_dict=..., meta=dict(multipliers=[...]))."
        )
    found.update(multipliers=tuple(multipliers), carry_state=bool(meta.get("carry_state", True)))
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
