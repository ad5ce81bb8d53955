"""What an episode is compared with: the others that differ from it in their actions alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def leave_one_out(returns: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Baselines of K episodes of one training, decision by decision, and their common scale.

    Args:
        returns: Of each episode, (T_k,); a training that diverged has fewer decisions.

    Returns:
        For each episode (T_k,): the mean return of the others at that decision, its own where no
        other got so far. The root mean square, (), of what is left above the baselines; 1 where
        nothing is. Trainings of different kinds count alike once returns are divided by it.
    """
    baselines = []
    for k, own in enumerate(returns):
        baseline = own.clone()
        for t in range(len(own)):
            others = [r[t] for j, r in enumerate(returns) if j != k and len(r) > t]
            if others:
                baseline[t] = torch.stack(others).mean()
        baselines.append(baseline)
    left = torch.cat([r - b for r, b in zip(returns, baselines, strict=True)])
    scale = left.square().mean().sqrt()
    return baselines, torch.where(scale > 0, scale, torch.ones_like(scale))
