"""The learning-rate schedule of the paper: quadratic warm-up times a clipped polynomial decay."""

from __future__ import annotations

from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS

from mmasg.errors import wrong


def warmup_poly_factor(
    step: int, max_iters: int, warmup_iters: int = 100, power: float = 0.9, clip: float = 0.8
) -> float:
    """Return the factor on the base rate at iteration ``step``.

    ``min(0.01 + 0.99 * (step / warmup_iters)^2, 1) * (1 - min(step / max_iters, clip))^power``

    Args:
        step: Iteration, counted from 0.
        max_iters: Iterations of the whole run.
        warmup_iters: Iterations until the warm-up reaches 1.
        power: Exponent of the decay.
        clip: Share of the run after which the decay stands still.

    Returns:
        The factor, in (0, 1].
    """
    warmup = min(0.01 + 0.99 * (step / warmup_iters) ** 2, 1.0)
    return warmup * (1.0 - min(step / max_iters, clip)) ** power


@PARAM_SCHEDULERS.register_module()
class WarmupPolyLR(LRSchedulerMixin, _ParamScheduler):
    """Warm-up-poly schedule of ASG (ICML 2020), one value an iteration.

    The rate of every parameter group is its own ``initial_lr`` times
    :func:`warmup_poly_factor`. It is computed in closed form from the step, never from the
    current rate, so that a multiplier that is applied elsewhere cannot compound. Its state
    resumes with mmengine's checkpoints.

    Args:
        optimizer (Optimizer | OptimWrapper): The optimizer, given by the runner.
        max_iters (int, optional): Iterations of the whole run. Defaults to the training's, which
            the runner gives where the config says ``by_epoch=False``.
        warmup_iters (int): Iterations of warm-up. Defaults to 100.
        power (float): Exponent of the decay. Defaults to 0.9.
        offset (int): Added to the step: iteration ``i`` (from 0) trains at the factor of
            ``i + offset``. The paper's runs without a policy use 0, those with one 1.
            Defaults to 0.
        by_epoch (bool, optional): False, or left out: the schedule moves every iteration.
        end (int, optional): Given by the runner, the iterations of the training.
        **kwargs: ``begin``, ``last_step`` and ``verbose`` of mmengine's schedulers.

    Raises:
        ValueError: A number is out of range, ``max_iters`` is not the training's, or ``by_epoch``
            is True.

    Example::

        param_scheduler = [dict(type='WarmupPolyLR', by_epoch=False)]
    """

    def __init__(
        self,
        optimizer: Any,
        max_iters: int | None = None,
        warmup_iters: int = 100,
        power: float = 0.9,
        offset: int = 0,
        by_epoch: bool | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> None:
        key = "param_scheduler (WarmupPolyLR)"
        if by_epoch:
            remedy = "Its numbers are iterations."
            raise ValueError(wrong(f"{key}.by_epoch", True, "False, or left out", remedy))
        if by_epoch is None:
            # Without by_epoch=False in the config mmengine's runner takes the schedule for one by
            # epochs, and their number is what it gives as ``end``.
            end = None
        length = end if max_iters is None else max_iters
        if length is None:
            remedy = "With by_epoch=False it is the training's by itself."
            raise ValueError(wrong(f"{key}.max_iters", None, "a number of iterations", remedy))
        if end is not None and end != length:
            remedy = "Leave max_iters out."
            raise ValueError(wrong(f"{key}.max_iters", length, f"{end}, the training's", remedy))
        for name, value, least in (
            ("max_iters", length, 1),
            ("warmup_iters", warmup_iters, 1),
            ("offset", offset, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(wrong(f"{key}.{name}", value, f"an integer from {least} on"))
        if not isinstance(power, (int, float)) or power <= 0:
            raise ValueError(wrong(f"{key}.power", power, "a number above 0"))
        self.max_iters = length
        self.warmup_iters = warmup_iters
        self.power = power
        self.offset = offset
        # It stands still by itself where the run ends.
        super().__init__(optimizer, by_epoch=False, **kwargs)

    def _get_value(self) -> list[float]:
        factor = warmup_poly_factor(
            self.last_step + self.offset, self.max_iters, self.warmup_iters, self.power
        )
        return [base * factor for base in self.base_values]
