"""Parameter names of released policy checkpoints, and ours.

Two pure functions turn a state dict of either kind into the other; values are not copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmasg.errors import first_of

_RULES = (
    # (released name, its template), (our name, its template)
    (r"net\.state_encoder\.(\d+)\.rnn\.(\w+)", "net.state_encoder.{}.rnn.{}"),
    (r"encoders\.(\d+)\.(\w+)", "encoders.{}.{}"),
    (r"action_distribution\.linear\.(\d+)\.(weight|bias)", "action_distribution.linear.{}.{}"),
    (r"heads\.(\d+)\.(weight|bias)", "heads.{}.{}"),
    (r"critic\.fc\.(weight|bias)", "critic.fc.{}"),
    (r"critic\.(weight|bias)", "critic.{}"),
)
_RELEASED, _OURS = _RULES[0::2], _RULES[1::2]


def policy_from_reference(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a released policy's parameters to :class:`~mmasg.l2o.LSTMPolicy`'s.

    Args:
        state_dict: The whole plain state dict of a released policy.

    Returns:
        The same tensors, in the same order, under our names.

    Raises:
        ValueError: Names that no released policy has, or the parameters of a part are missing.
    """
    return _rename(state_dict, _RELEASED, _OURS, "a released policy checkpoint")


def policy_to_reference(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename :class:`~mmasg.l2o.LSTMPolicy`'s parameters to a released policy's.

    The inverse of :func:`policy_from_reference`, with the same errors.
    """
    return _rename(state_dict, _OURS, _RELEASED, "an LSTMPolicy state dict")


def is_reference_policy(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of a released policy."""
    return any(name.startswith("net.state_encoder.") for name in state_dict)


def policy_size(state_dict: Mapping[str, Tensor]) -> dict[str, int]:
    """Read ``num_groups``, ``num_scalars``, ``hidden_size`` and ``num_multipliers`` off shapes.

    Args:
        state_dict: A state dict in our names.

    Raises:
        ValueError: Missing or extra names, see :func:`check_policy_names`, or no tensors.
    """
    check_policy_names(state_dict)
    odd = [
        n for n, v in state_dict.items() if not isinstance(v, Tensor) or 0 in (v.dim(), v.numel())
    ]
    if odd or state_dict["encoders.0.weight_hh_l0"].dim() != 2:
        raise ValueError(f"{first_of(odd or ['encoders.0.weight_hh_l0'])}: no weights of a policy")
    return dict(
        num_groups=_count(state_dict, "heads"),
        num_scalars=_count(state_dict, "encoders"),
        hidden_size=state_dict["encoders.0.weight_hh_l0"].shape[1],
        num_multipliers=state_dict["heads.0.bias"].shape[0],
    )


def check_policy_names(state_dict: Mapping[str, Tensor], source: str = "the state dict") -> None:
    """Raise a ``ValueError`` unless the names are exactly those of some :class:`LSTMPolicy`."""
    expected = {"critic.weight", "critic.bias"}
    for i in range(max(1, _count(state_dict, "encoders"))):
        expected |= {
            f"encoders.{i}.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")
        }
    for i in range(max(1, _count(state_dict, "heads"))):
        expected |= {f"heads.{i}.weight", f"heads.{i}.bias"}
    missing, extra = sorted(expected - set(state_dict)), sorted(set(state_dict) - expected)
    if missing or extra:
        raise ValueError(
            f"{source} is not a policy: missing {missing or 'nothing'}, "
            f"unexpected {first_of(extra)}. "
            "It must hold exactly the parameters of one LSTMPolicy. Give a checkpoint of "
            "tools/train.py configs/asg/policy_*.py, or convert a released policy by "
            "tools/model_converters/asg_checkpoint.py first."
        )


def _count(state_dict: Mapping[str, Tensor], part: str) -> int:
    found = (re.match(rf"{part}\.(\d+)\.", name) for name in state_dict)
    return len({match[1] for match in found if match})


def _rename(state_dict, sources, targets, kind) -> dict[str, Tensor]:
    renamed, unknown = {}, []
    for name, value in state_dict.items():
        for (pattern, _), (_, template) in zip(sources, targets, strict=True):
            match = re.fullmatch(pattern, name)
            if match:
                renamed[template.format(*match.groups())] = value
                break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(f"Not the names of {kind}: unexpected {first_of(unknown)}.")
    ours = renamed if targets is _OURS else state_dict
    check_policy_names(ours, kind)
    return renamed
