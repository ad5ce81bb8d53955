"""Which parameter belongs to which layer group."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from mmasg.errors import first_of

from .layer_group import KEY, LayerGroup


def assign(model: nn.Module, groups: Sequence[LayerGroup], preset: bool) -> dict[str, int]:
    """Map every trainable parameter's name to its group's index.

    Args:
        model: The model, unwrapped.
        groups: The layer groups.
        preset: Whether they come from a preset, which a message then takes apart.

    Raises:
        ValueError: Group names that repeat, a pattern that matches nothing, a parameter in no
            group or in two, a group without trainable parameters.
    """
    names = [group.name for group in groups]
    if len(set(names)) != len(names):
        raise ValueError(f"{KEY}.groups: got the names {names}; allowed: every name once.")
    if sum(group.rest for group in groups) > 1:
        raise ValueError(f"{KEY}.groups: rest=True in several groups; allowed: in one group.")
    everything = [name for name, _ in model.named_parameters()]
    owners: dict[str, list[int]] = {n: [] for n, p in model.named_parameters() if p.requires_grad}
    for index, group in enumerate(groups):
        for pattern in group.patterns:
            hits = [name for name in everything if fnmatchcase(name, pattern)]
            if not hits:
                raise ValueError(_no_match(pattern, group.name, everything))
            for name in hits:
                if name in owners and index not in owners[name]:
                    owners[name].append(index)
    rest = [index for index, group in enumerate(groups) if group.rest]
    owners = {name: found or list(rest) for name, found in owners.items()}
    twice = [f"{n} ({', '.join(names[i] for i in f)})" for n, f in owners.items() if len(f) > 1]
    if twice:
        raise ValueError(
            f"{KEY}.groups: {len(twice)} parameter(s) in more than one group: {first_of(twice)}. "
            "Make the patterns disjoint."
        )
    missing = [name for name, found in owners.items() if not found]
    if missing:
        raise ValueError(
            f"{KEY}.groups: {len(missing)} trainable parameter(s) in no group: "
            f"{first_of(missing)}. Add a pattern, or a last group dict(name='head', rest=True)."
        )
    assignment = {name: found[0] for name, found in owners.items()}
    empty = [group for i, group in enumerate(groups) if i not in assignment.values()]
    if empty:
        raise ValueError(_empty(empty, groups, preset))
    return assignment


def _no_match(pattern: str, group: str, names: list[str]) -> str:
    heads = sorted({".".join(name.split(".")[:2]) for name in names})
    return (
        f"{KEY}.groups: pattern {pattern!r} of group '{group}' matches no parameter. The model's "
        f"parameters begin with {first_of(heads, 12)}. Correct the pattern (shell style, full "
        "names), or give the backbone's place by prefix= where the groups come from a preset."
    )


def _empty(empty: list[LayerGroup], groups: Sequence[LayerGroup], preset: bool) -> str:
    found = ", ".join(f"'{group.name}'" for group in empty)
    why = (
        "nothing is left for rest=True"
        if empty[0].rest
        else "all that the patterns match is frozen (requires_grad=False)"
    )
    message = (
        f"{KEY}.{'preset' if preset else 'groups'}: group(s) {found} without a trainable "
        f"parameter: {why}. Unfreeze the layers (frozen_stages=-1 of the backbone), or "
    )
    if not preset:
        return f"{message}leave the group(s) out."
    kept = [
        f"dict(name={g.name!r}, "
        + ("rest=True" if g.rest else f"patterns={g.patterns}")
        + (")" if g.lr_mult == 1 else f", lr_mult={g.lr_mult:g})")
        for g in groups
        if g not in empty
    ]
    return f"{message}write the preset's other groups: groups=[{', '.join(kept)}]."
