"""The model behind what distributed training wraps around it."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model itself: DistributedDataParallel's ``module``, or the model as it is."""
    return model.module if is_model_wrapper(model) else model  # type: ignore[return-value]
