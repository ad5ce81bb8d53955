"""SGD that keeps the learning rate inside the momentum buffer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.registry import OPTIMIZERS
from torch.optim import Optimizer

from mmasg.errors import wrong

# Parameters, gradients and velocities (none without a momentum) that are updated alike.
_Bucket = tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]


@OPTIMIZERS.register_module()
class CaffeSGD(Optimizer):
    r"""SGD with the rate inside the momentum, as Caffe and Sutskever et al. have it.

    With gradient :math:`g` (weight decay included), rate :math:`\eta`, momentum :math:`\mu` and
    dampening :math:`\tau`:

    .. math::
        v_1 &= \eta_1 g_1 \\
        v_t &= \mu v_{t-1} + (1 - \tau)\,\eta_t g_t \\
        p_t &= p_{t-1} - v_t \qquad\text{or with Nesterov}\qquad
        p_t = p_{t-1} - (\eta_t g_t + \mu v_t)

    :class:`torch.optim.SGD` multiplies the whole velocity by the current rate instead, so that a
    change of the rate also rescales what the past has contributed. At a constant rate the two are
    the same. The VisDA-17 task of ASG uses this form, because its policy lets the rates jump
    (a suggested start is ``lr=1e-4, momentum=0.9, weight_decay=5e-4``).

    A group whose rate becomes 0 goes on moving by its old velocity, :math:`v_t = \mu v_{t-1}`;
    ``freeze_at_zero=True`` makes it stand still, while the velocity fades at the same pace, so
    that nothing stale is left when the rate comes back.

    Args:
        params: Parameters or parameter groups to optimize.
        lr: Learning rate, not negative. Defaults to 1e-3.
        momentum: Momentum factor, in [0, 1]. Defaults to 0.
        dampening: Share of the gradient that is held back from the second step on.
            Defaults to 0.
        weight_decay: L2 penalty, added to the gradient. Defaults to 0.
        nesterov: Whether to look ahead; needs a momentum and no dampening. Defaults to False.
        maximize: Whether to ascend instead. Defaults to False.
        foreach: Whether to update all tensors of a group in a few fused calls. None takes it for
            a group of which no parameter is on the CPU, as PyTorch does. Defaults to None.
        freeze_at_zero: Whether a group with a rate of exactly 0 stands still.
            Defaults to False, the reference's behaviour.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> optim_wrapper = dict(
        ...     type='OptimWrapper',
        ...     optimizer=dict(type='CaffeSGD', lr=1e-4, momentum=0.9, weight_decay=5e-4))
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        freeze_at_zero: bool = False,
    ) -> None:
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            freeze_at_zero=freeze_at_zero,
        )
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group after checking its settings.

        Args:
            param_group: ``params`` and any of the constructor's settings.

        Raises:
            ValueError: If a setting is out of its range.
        """
        group = {**self.defaults, **param_group}
        for name in ("lr", "weight_decay"):
            if not float(group[name]) >= 0:
                raise ValueError(wrong(f"CaffeSGD.{name}", group[name], "a number of at least 0"))
        if not 0 <= group["momentum"] <= 1:
            raise ValueError(wrong("CaffeSGD.momentum", group["momentum"], "a number in [0, 1]"))
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            got = {name: group[name] for name in ("momentum", "dampening")}
            allowed = "with nesterov a momentum above 0 and dampening=0"
            raise ValueError(wrong("CaffeSGD", got, allowed))
        super().add_param_group(param_group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state that a :class:`CaffeSGD` has saved.

        Args:
            state_dict: What :meth:`state_dict` returned.

        Raises:
            ValueError: If it comes from :class:`torch.optim.SGD`, whose velocity does not contain
                the rate: taken as it is, the first steps would be too long by 1 / lr.
        """
        if any("momentum_buffer" in state for state in state_dict["state"].values()):
            allowed = "a state of CaffeSGD; the velocity of the two differs by the learning rate"
            remedy = (
                "Load the weights alone (load_from without resume), or resume with optimizer type "
                "'SGD'."
            )
            raise ValueError(wrong("CaffeSGD", "a state of torch's SGD", allowed, remedy))
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one step.

        Args:
            closure: Reevaluates the model and returns the loss. Defaults to None.

        Returns:
            What ``closure`` returned, or None.

        Raises:
            RuntimeError: If a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for (first, foreach), bucket in self._buckets(group).items():
                update = _update_foreach if foreach else _update_each
                update(*bucket, first=first, group=group, lr=float(group["lr"]))
        return loss

    def _buckets(self, group: dict[str, Any]) -> dict[tuple[bool, bool], _Bucket]:
        """Sort a group's tensors by what has to be done with them.

        Args:
            group: One of ``param_groups``.

        Returns:
            ``(first step?, foreach?)`` to lists of parameters, gradients and velocities.
        """
        params = [param for param in group["params"] if param.grad is not None]
        foreach = group["foreach"]
        if foreach is None:
            foreach = bool(params) and all(param.device.type != "cpu" for param in params)
        buckets: dict[tuple[bool, bool], _Bucket] = defaultdict(lambda: ([], [], []))
        for param in params:
            if param.grad.is_sparse:
                raise RuntimeError(
                    "CaffeSGD does not support sparse gradients; got one for a parameter of shape "
                    f"{tuple(param.shape)} (an embedding with sparse=True?)"
                )
            state = self.state[param]
            first = "velocity" not in state
            if first and group["momentum"] != 0:
                state["velocity"] = torch.zeros_like(param)
            bucket = buckets[first, foreach]
            bucket[0].append(param)
            bucket[1].append(param.grad)
            if group["momentum"] != 0:
                bucket[2].append(state["velocity"])
        return buckets


def _update_each(
    params: list[torch.Tensor],
    grads: list[torch.Tensor],
    velocities: list[torch.Tensor],
    *,
    first: bool,
    group: dict[str, Any],
    lr: float,
) -> None:
    """Update tensor by tensor."""
    momentum, decay = group["momentum"], group["weight_decay"]
    still = group["freeze_at_zero"] and lr == 0
    share = lr if first else lr * (1 - group["dampening"])
    for i, param in enumerate(params):
        grad = -grads[i] if group["maximize"] else grads[i]
        if decay != 0:
            grad = grad.add(param, alpha=decay)
        if momentum == 0:
            param.sub_(grad, alpha=lr)
            continue
        velocity = velocities[i].mul_(momentum).add_(grad, alpha=share)
        if still:
            continue
        if group["nesterov"]:
            param.sub_(grad, alpha=lr).sub_(velocity, alpha=momentum)
        else:
            param.sub_(velocity)


def _update_foreach(
    params: list[torch.Tensor],
    grads: list[torch.Tensor],
    velocities: list[torch.Tensor],
    *,
    first: bool,
    group: dict[str, Any],
    lr: float,
) -> None:
    """Update all tensors in a few calls; the arithmetic of :func:`_update_each`."""
    if not params:
        return
    momentum, decay = group["momentum"], group["weight_decay"]
    share = lr if first else lr * (1 - group["dampening"])
    fresh = False
    if group["maximize"]:
        grads, fresh = list(torch._foreach_neg(grads)), True
    if decay != 0:
        if fresh:
            torch._foreach_add_(grads, params, alpha=decay)
        else:
            grads = list(torch._foreach_add(grads, params, alpha=decay))
    if momentum == 0:
        torch._foreach_add_(params, grads, alpha=-lr)
        return
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_add_(velocities, grads, alpha=share)
    if group["freeze_at_zero"] and lr == 0:
        return
    if group["nesterov"]:
        torch._foreach_add_(params, grads, alpha=-lr)
        torch._foreach_add_(params, velocities, alpha=-momentum)
    else:
        torch._foreach_sub_(params, velocities)
