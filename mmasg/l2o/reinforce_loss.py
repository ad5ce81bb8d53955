"""REINFORCE in pure PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def discounted_returns(rewards: Tensor, gamma: float) -> Tensor:
    """Returns ``R_t = r_t + gamma * R_{t+1}`` of one rollout, nothing after its end.

    Args:
        rewards: (T,).
        gamma: Discount in [0, 1]; 0 makes the return the reward itself.

    Returns:
        (T,), in the rewards' dtype.
    """
    returns = torch.empty_like(rewards)
    running = rewards.new_zeros(())
    for t in range(len(rewards) - 1, -1, -1):
        running = rewards[t] + gamma * running
        returns[t] = running
    return returns


def reinforce_loss(
    log_probs: Tensor,
    rewards: Tensor,
    gamma: float = 0.0,
    baseline: Tensor | None = None,
    scale: Tensor | None = None,
) -> Tensor:
    """REINFORCE: ``-mean_t (R_t - baseline_t) / scale_t * log_probs_t``.

    Args:
        log_probs: (T,), the log-probability of each decision's actions, summed over the groups.
        rewards: (T,).
        gamma: Discount. Default 0.
        baseline: (T,), subtracted from the returns; a constant of the update. Default: none.
        scale: (T,), divides what is left; a constant of the update. Default: none.

    Returns:
        The scalar loss.

    Raises:
        ValueError: Shapes other than (T,) twice. (Broadcasting would silently pair every action
            with every return.)
    """
    if log_probs.dim() != 1 or log_probs.shape != rewards.shape or not len(rewards):
        raise ValueError(
            "reinforce_loss: log_probs and rewards must be (T,) with T >= 1, got "
            f"{tuple(log_probs.shape)} and {tuple(rewards.shape)}."
        )
    advantage = discounted_returns(rewards, gamma)
    for name, value in (("baseline", baseline), ("scale", scale)):
        if value is not None and value.shape != rewards.shape:
            raise ValueError(
                f"reinforce_loss: {name} must be {tuple(rewards.shape)}, got {tuple(value.shape)}."
            )
    if baseline is not None:
        advantage = advantage - baseline.detach()
    if scale is not None:
        advantage = advantage / scale.detach()
    return -(advantage * log_probs).mean()
