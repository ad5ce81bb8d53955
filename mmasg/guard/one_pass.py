"""Optimizers that need two passes of the model a step, which mmengine's wrapper does not make."""

from __future__ import annotations

from torch.optim import Optimizer

from mmasg.errors import wrong


def needs_two_passes(optimizer: Optimizer) -> bool:
    """Whether an optimizer is sharpness-aware (SAM and what is built like it)."""
    return all(callable(getattr(optimizer, name, None)) for name in ("first_step", "second_step"))


def check_one_pass(optimizer: Optimizer) -> None:
    """Refuse an optimizer that needs two passes a step.

    ``OptimWrapper.update_params`` is given a loss, makes its backward pass and steps, once; SAM
    (Foret et al. 2021) has to compute the loss again at other weights in between, with the same
    batch, and everything that hooks have added to the loss.

    Args:
        optimizer: The torch optimizer itself, not its wrapper.

    Raises:
        ValueError: It needs two passes.
    """
    if needs_two_passes(optimizer):
        raise ValueError(
            wrong(
                "optim_wrapper.optimizer.type",
                type(optimizer).__name__,
                "an optimizer that makes one pass a step, such as SGD or AdamW",
                "Sharpness-aware optimizers evaluate the model twice a step, and mmengine's "
                "optimizer wrapper once. For flat minima average the weights instead: "
                "custom_hooks=[dict(type='EMAHook', ema_type='StochasticWeightAverage', ...)].",
            )
        )
