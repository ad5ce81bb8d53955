"""The learning-rate schedule of the paper: quadratic warm-up times a clipped polynomial decay."""

from __future__ import annotations

from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS


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
        max_iters (int): Iterations of the whole run, also where the run is shorter.
        warmup_iters (int): Iterations of warm-up. Defaults to 100.
        power (float): Exponent of the decay. Defaults to 0.9.
        offset (int): Added to the step: iteration ``i`` (from 0) trains at the factor of
            ``i + offset``. The paper's runs without a policy use 0, those with one 1.
            Defaults to 0.
        by_epoch (bool, optional): False, or left out: the schedule moves every iteration.
        **kwargs: ``begin``, ``end``, ``last_step`` and ``verbose`` of mmengine's schedulers.

    Raises:
        ValueError: A number is out of range, or ``by_epoch`` is True.

    Example::

        param_scheduler = [dict(type='WarmupPolyLR', max_iters=100000)]
    """

    def __init__(
        self,
        optimizer: Any,
        max_iters: int,
        warmup_iters: int = 100,
        power: float = 0.9,
        offset: int = 0,
        by_epoch: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if by_epoch:
            raise ValueError(
                "param_scheduler: WarmupPolyLR got by_epoch=True, but it moves every iteration; "
                "write by_epoch=False or leave it out, and give max_iters in iterations"
            )
        for name, value, least in (
            ("max_iters", max_iters, 1),
            ("warmup_iters", warmup_iters, 1),
            ("offset", offset, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"param_scheduler: WarmupPolyLR got {name}={value!r}; it has to be an "
                    f"integer of at least {least} (in iterations)"
                )
        if not isinstance(power, (int, float)) or power <= 0:
            raise ValueError(
                f"param_scheduler: WarmupPolyLR got power={power!r}; it has to be a number above 0"
            )
        if by_epoch is None:
            # Without by_epoch=False in the config mmengine's runner takes the schedule for one by
            # epochs and passes their number as ``end``: the rate would stand still from then on.
            kwargs.pop("end", None)
        self.max_iters = max_iters
        self.warmup_iters = warmup_iters
        self.power = power
        self.offset = offset
        super().__init__(optimizer, by_epoch=False, **kwargs)

    def _get_value(self) -> list[float]:
        factor = warmup_poly_factor(
            self.last_step + self.offset, self.max_iters, self.warmup_iters, self.power
        )
        return [base * factor for base in self.base_values]
