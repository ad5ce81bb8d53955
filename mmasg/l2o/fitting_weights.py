"""Whether weights from a file are those of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmasg.errors import first_of, wrong


def check_names(weights: Mapping[Any, Any], network: nn.Module, source: str, remedy: str) -> None:
    """Raise a ``ValueError`` unless the names are exactly those of a network's state dict."""
    expected = network.state_dict().keys()
    missing, extra = expected - weights.keys(), weights.keys() - expected
    if missing or extra:
        raise ValueError(
            f"{source} is no {type(network).__name__}: missing {first_of(sorted(missing))}; "
            f"unexpected {first_of(sorted(map(str, extra)))}. {remedy}"
        )


def check_weights(weights: Mapping[Any, Any], network: nn.Module, source: str, remedy: str) -> None:
    """Raise a ``ValueError`` unless a state dict is exactly that of a network.

    Args:
        weights: The state dict, from anywhere.
        network: What it has to fit by names and shapes; may be on the meta device.
        source: Where it is from.
        remedy: What to do.
    """
    check_names(weights, network, source, remedy)
    for name, value in network.state_dict().items():
        given, shape = weights[name], tuple(value.shape)
        if not isinstance(given, Tensor) or given.shape != value.shape:
            got = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise ValueError(wrong(f"{source}: {name}", got, f"a tensor of shape {shape}", remedy))
        if not (given.is_floating_point() and given.isfinite().all()):
            raise ValueError(wrong(f"{source}: {name}", "other values", "finite numbers", remedy))
