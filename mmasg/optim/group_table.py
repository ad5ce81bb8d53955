"""The layer groups of a model as a text table."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .layer_group import LayerGroup


def group_table(
    model: nn.Module, groups: Sequence[LayerGroup], assignment: dict[str, int], base_lr: float
) -> str:
    """Return the groups as a text table: patterns, tensors, parameters, rate."""
    parameters = dict(model.named_parameters())
    rows = [("#", "group", "patterns", "tensors", "parameters", "lr_mult", "lr")]
    for index, group in enumerate(groups):
        members = [parameters[name] for name, i in assignment.items() if i == index]
        rows.append(
            (
                str(index),
                group.name,
                "(all others)" if group.rest else " ".join(group.patterns),
                str(len(members)),
                f"{sum(p.numel() for p in members):,}",
                f"{group.lr_mult:g}",
                f"{base_lr * group.lr_mult:g}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = {1, 2}
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i in left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
