"""What :class:`~mmasg.l2o.GroupPolicy` sees, made free of every scale. Pure PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmasg.errors import wrong

#: Inputs are cut here: beyond, a policy knows no more than "very large".
_BOUND = 5.0
_TINY = 1e-12
#: Relative steps are seen as multiples of this, between those of body and head.
_STEP = 1e-3
#: A KL in nats by which a network has moved away from ImageNet.
_KL = 0.1


@dataclass(frozen=True)
class WindowFacts:
    """Means over one window of iterations, as measured.

    Attributes:
        task_loss: The task loss.
        kl: The raw consistency loss, 0 without one.
        gradient_norms: Norm of each group's gradient, G numbers.
        weight_norms: Norm of each group's weights, G numbers.
        agreements: Cosine of each group's successive gradients, G numbers in [-1, 1].
        fractions: Each group's relative step, multiplier and schedule included, G numbers.
        task_kl_agreements: Cosine of the task's and the consistency loss's gradient, G numbers;
            ``None`` without such a loss or where it is not measured.
    """

    task_loss: float
    kl: float
    gradient_norms: Sequence[float]
    weight_norms: Sequence[float]
    agreements: Sequence[float]
    fractions: Sequence[float]
    task_kl_agreements: Sequence[float] | None = None

    def is_finite(self) -> bool:
        """Whether every number is."""
        rows = [[self.task_loss, self.kl], *list(vars(self).values())[2:]]
        return all(math.isfinite(value) for row in rows if row is not None for value in row)


def observe_groups(
    now: WindowFacts,
    before: WindowFacts | None,
    first: WindowFacts,
    multipliers: Sequence[float],
    new: Sequence[bool],
    progress: float,
) -> tuple[Tensor, Tensor]:
    """Compose the policy's inputs.

    A factor on the task loss, on all gradients or on all weights changes nothing. All logarithms
    are natural; every input lies in [-5, 5].

    Of a group: its ``depth`` from 0 (first) to 1 (last); whether its layers are ``new``; the
    logarithm of its multiplier; ``log_step``, that of its relative step over 1e-3;
    ``gradient_share``, log(gradient norm / weight norm) minus its
    mean over the groups; ``gradient_change``, how much log(gradient norm / weight norm) has
    changed since the window before; the two agreements. Of the run: log(task loss / that of the
    first window) and its change since the window before, log(KL / 0.1 nats), 0 where there is none
    (it is 0 at the start of a run, so the first window is no measure), and its change, whether the
    task's and the consistency loss's gradients are compared (``guided``), and the progress.

    Args:
        now: The window that has just ended.
        before: The one before, ``None`` in the first.
        first: The run's first window.
        multipliers: Each group's multiplier in the window, G numbers above 0.
        new: Whether each group's layers start from random weights.
        progress: step / total steps, 0 to 1.

    Returns:
        ``groups`` (1, G, 8) and ``run`` (1, 6), float32.

    Raises:
        ValueError: Numbers of groups that differ, or values that are not finite.
    """
    count = len(multipliers)
    known = now.task_kl_agreements is not None
    agreements = [0.0] * count if now.task_kl_agreements is None else now.task_kl_agreements
    given = dict(
        new=new,
        gradient_norms=now.gradient_norms,
        weight_norms=now.weight_norms,
        agreements=now.agreements,
        fractions=now.fractions,
        task_kl_agreements=agreements,
    )
    for name, values in given.items():
        if len(values) != count:
            raise ValueError(wrong(f"observe_groups: {name}", len(values), f"{count} groups"))
    before = before or now
    ratio, ratio_before = _log_ratio(now), _log_ratio(before)
    groups = torch.stack(
        [
            torch.linspace(0, 1, count, dtype=torch.float64),
            torch.tensor([float(n) for n in new], dtype=torch.float64),
            _log(multipliers),
            _log(now.fractions) - math.log(_STEP),
            ratio - ratio.mean(),
            ratio - ratio_before,
            torch.tensor(now.agreements, dtype=torch.float64),
            torch.tensor(agreements, dtype=torch.float64),
        ],
        dim=1,
    )
    task = _log([now.task_loss, before.task_loss, first.task_loss])
    kl = _log([now.kl, before.kl])
    level = kl[0] - math.log(_KL) if now.kl > 0 else torch.zeros_like(kl[0])
    parts = [task[0] - task[2], task[0] - task[1], level, kl[0] - kl[1]]
    run = torch.stack([*parts, *torch.tensor([known, progress], dtype=torch.float64)])
    for name, tensor in (("groups", groups), ("run", run)):
        if not tensor.isfinite().all():
            raise ValueError(wrong(f"observe_groups: {name}", tensor.tolist(), "finite numbers"))
    return tuple(t.clamp(-_BOUND, _BOUND).float().unsqueeze(0) for t in (groups, run))  # type: ignore[return-value]


def _log(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).clamp(min=_TINY).log()


def _log_ratio(window: WindowFacts) -> Tensor:
    return _log(window.gradient_norms) - _log(window.weight_norms)
