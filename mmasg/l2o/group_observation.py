"""What :class:`~mmasg.l2o.GroupPolicy` sees, made free of every scale. Pure PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmasg.errors import wrong

#: Inputs are cut here: beyond, a policy knows no more than "very large".
_BOUND = 5.0
_TINY = 1e-12


@dataclass(frozen=True)
class WindowFacts:
    """Means over one window of iterations, as measured.

    Attributes:
        task_loss: The task loss.
        kl: The raw consistency loss, 0 without one.
        gradient_norms: Norm of each group's gradient, G numbers.
        weight_norms: Norm of each group's weights, G numbers.
        agreements: Cosine of each group's successive gradients, G numbers in [-1, 1].
        task_kl_agreements: Cosine of the task's and the consistency loss's gradient, G numbers;
            ``None`` without such a loss or where it is not measured.
    """

    task_loss: float
    kl: float
    gradient_norms: Sequence[float]
    weight_norms: Sequence[float]
    agreements: Sequence[float]
    task_kl_agreements: Sequence[float] | None = None


def observe_groups(
    now: WindowFacts,
    before: WindowFacts | None,
    first: WindowFacts,
    multipliers: Sequence[float],
    new: Sequence[bool],
    progress: float,
) -> tuple[Tensor, Tensor]:
    """Compose the policy's inputs.

    A factor on the losses, on all gradients or on all weights changes nothing. All logarithms are
    natural; every input lies in [-5, 5].

    Of a group: its ``depth`` from 0 (first) to 1 (last); whether its layers are ``new``; the
    logarithm of its multiplier; ``gradient_share``, log(gradient norm / weight norm) minus its
    mean over the groups; ``gradient_change``, how much log(gradient norm / weight norm) has
    changed since the window before; the two agreements. Of the run: log(task loss / that of the
    first window) and its change since the window before, the same of the KL, and the progress.

    Args:
        now: The window that has just ended.
        before: The one before, ``None`` in the first.
        first: The run's first window.
        multipliers: Each group's multiplier in the window, G numbers above 0.
        new: Whether each group's layers start from random weights.
        progress: step / total steps, 0 to 1.

    Returns:
        ``groups`` (1, G, 7) and ``run`` (1, 5), float32.

    Raises:
        ValueError: Numbers of groups that differ, or values that are not finite.
    """
    count = len(multipliers)
    agreements = now.task_kl_agreements or [0.0] * count
    given = dict(
        new=new,
        gradient_norms=now.gradient_norms,
        weight_norms=now.weight_norms,
        agreements=now.agreements,
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
            ratio - ratio.mean(),
            ratio - ratio_before,
            torch.tensor(now.agreements, dtype=torch.float64),
            torch.tensor(agreements, dtype=torch.float64),
        ],
        dim=1,
    )
    task = _log([now.task_loss, before.task_loss, first.task_loss])
    kl = _log([now.kl, before.kl, first.kl])
    parts = [task[0] - task[2], task[0] - task[1], kl[0] - kl[2], kl[0] - kl[1]]
    run = torch.stack([*parts, torch.tensor(progress, dtype=torch.float64)])
    for name, tensor in (("groups", groups), ("run", run)):
        if not tensor.isfinite().all():
            raise ValueError(wrong(f"observe_groups: {name}", tensor.tolist(), "finite numbers"))
    return tuple(t.clamp(-_BOUND, _BOUND).float().unsqueeze(0) for t in (groups, run))  # type: ignore[return-value]


def _log(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).clamp(min=_TINY).log()


def _log_ratio(window: WindowFacts) -> Tensor:
    return _log(window.gradient_norms) - _log(window.weight_norms)
