"""Parameter names of released policy checkpoints, and ours.

Two pure functions turn a state dict of either kind into the other; values are not copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmasg.errors import first_of

from .fitting_weights import check_names, check_weights
from .policy import LSTMPolicy

_PAIRS = (
    # (pattern, template) of a released name, and of ours
    ((r"net\.state_encoder\.(\d+)\.rnn\.(\w+)", r"net.state_encoder.{}.rnn.{}"),
     (r"encoders\.(\d+)\.(\w+)", "encoders.{}.{}")),
    ((r"action_distribution\.linear\.(\d+)\.(\w+)", "action_distribution.linear.{}.{}"),
     (r"heads\.(\d+)\.(\w+)", "heads.{}.{}")),
    ((r"critic\.fc\.(\w+)", "critic.fc.{}"), (r"critic\.(\w+)", "critic.{}")),
)  # fmt: skip
_REMEDY = (
    "Give a checkpoint of tools/train.py configs/asg/policy_*.py, or convert a released policy by "
    "tools/model_converters/asg_checkpoint.py first."
)
_MOST_CHOICES = 10_000  # a shape costs nothing in a file, a policy of that shape does


def policy_from_reference(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a released policy's parameters to :class:`~mmasg.l2o.LSTMPolicy`'s.

    Args:
        state_dict: The whole plain state dict of a released policy.

    Returns:
        The same tensors, in the same order, under our names.

    Raises:
        ValueError: Names that no released policy has, or missing ones.
    """
    renamed = _rename(state_dict, [(r[0], o[1]) for r, o in _PAIRS], "a released policy")
    check_names(renamed, _network(_size(renamed)), "The released policy", _REMEDY)
    return renamed


def policy_to_reference(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename :class:`~mmasg.l2o.LSTMPolicy`'s parameters to a released policy's.

    The inverse of :func:`policy_from_reference`, with the same errors.
    """
    check_names(state_dict, _network(_size(state_dict)), "The state dict", _REMEDY)
    return _rename(state_dict, [(o[0], r[1]) for r, o in _PAIRS], "an LSTMPolicy")


def is_reference_policy(state_dict: Mapping[str, Any]) -> bool:
    """Whether the names are those of a released policy."""
    return any(str(name).startswith("net.state_encoder.") for name in state_dict)


def policy_size(state_dict: Mapping[str, Any], source: str) -> dict[str, int]:
    """Read ``num_groups``, ``num_scalars``, ``hidden_size`` and ``num_multipliers`` off shapes.

    Args:
        state_dict: A state dict in our names, from anywhere.
        source: Where it is from, for errors.

    Raises:
        ValueError: The names and shapes are not exactly those of some :class:`LSTMPolicy`, or
            the values are not finite numbers.
    """
    size = _size(state_dict)
    check_weights(state_dict, _network(size), source, _REMEDY)
    return size


def _size(state_dict: Mapping[str, Any]) -> dict[str, int]:
    shapes = {k: tuple(v.shape) for k, v in state_dict.items() if isinstance(v, Tensor)}
    return dict(
        num_groups=_count(state_dict, "heads"),
        num_scalars=_count(state_dict, "encoders"),
        hidden_size=(shapes.get("encoders.0.weight_hh_l0") or (1,))[-1],
        num_multipliers=(shapes.get("heads.0.bias") or (1,))[0],
    )


def _network(size: Mapping[str, int]) -> LSTMPolicy:
    groups, scalars, hidden, choices = (max(1, number) for number in size.values())
    with torch.device("meta"):
        return LSTMPolicy(groups, scalars, range(min(choices, _MOST_CHOICES)), hidden)


def _count(state_dict: Mapping[str, Any], part: str) -> int:
    found = (re.match(rf"{part}\.(\d+)\.", str(name)) for name in state_dict)
    return len({match[1] for match in found if match})


def _rename(state_dict: Mapping[str, Tensor], rules: list, kind: str) -> dict[str, Tensor]:
    renamed, unknown = {}, []
    for name, value in state_dict.items():
        for pattern, template in rules:
            if match := re.fullmatch(pattern, name):
                renamed[template.format(*match.groups())] = value
                break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(f"Not the names of {kind}: unexpected {first_of(unknown)}.")
    return renamed
