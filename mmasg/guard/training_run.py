"""Whether a run trains."""

from __future__ import annotations

from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop


def trains(runner: Any) -> bool:
    """Whether a runner is about to train; one that only tests has built neither of the two."""
    # The public train_loop would build the training's data, too.
    built = (getattr(runner, "optim_wrapper", None), getattr(runner, "_train_loop", None))
    return any(isinstance(part, (OptimWrapper, BaseLoop)) for part in built)
