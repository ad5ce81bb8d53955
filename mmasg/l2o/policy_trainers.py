"""How a policy of all groups learns from episodes: REINFORCE, or evolution strategies.

A trainer makes the actors of several episodes of one and the same training (same seed, same draw)
and turns what they earned into losses. Everything random is keyed by the training's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from mmengine.registry import TASK_UTILS
from torch import Tensor

from mmasg.errors import wrong

from .group_policy import GroupPolicy
from .leave_one_out import leave_one_out
from .reinforce_loss import discounted_returns, reinforce_loss


class Actor(Protocol):
    """Decides in one episode, see :data:`~mmasg.l2o.episode_pool.Controller`."""

    def __call__(self, observation: Any) -> list[float]:
        """Multipliers of the next window."""


Earned = tuple[int, Sequence[Any], Sequence[Sequence[float]]]
"""A training's number, the actors of its episodes, and what each one's decisions earned."""


@TASK_UTILS.register_module()
class ReinforceTrainer:
    """REINFORCE with episodes that share seed and data and differ in their actions alone.

    An episode's return at a decision is compared with the mean of the other episodes' at the same
    one (leave-one-out), and divided by the spread of what is left, so that trainings of different
    kinds count alike. A bonus for the entropy of the decisions halves every ``half_life`` updates.

    Args:
        episodes: Of one training, at least 2. Default 8.
        gamma: Discount. Default 1.
        entropy_weight: Weight of the mean entropy of a group's decision at first. Default 0.1.
        half_life: Updates in which that weight halves. Default 50.

    Raises:
        ValueError: A number out of range.
    """

    def __init__(
        self,
        episodes: int = 8,
        gamma: float = 1.0,
        entropy_weight: float = 0.1,
        half_life: float = 50.0,
    ) -> None:
        _at_least("episodes", episodes, 2)
        if not 0 <= gamma <= 1:
            raise ValueError(wrong("trainer.gamma", gamma, "a number from 0 to 1"))
        if not entropy_weight >= 0:
            raise ValueError(wrong("trainer.entropy_weight", entropy_weight, "at least 0"))
        if not half_life > 0:
            raise ValueError(wrong("trainer.half_life", half_life, "a number of updates above 0"))
        self.episodes, self.gamma = episodes, gamma
        self.entropy_weight, self.half_life = entropy_weight, half_life

    def actors(self, policy: GroupPolicy, number: int) -> list[SamplingActor]:
        """Actors of the episodes of training ``number``."""
        return [SamplingActor(policy, number * 1000 + k) for k in range(self.episodes)]

    def losses(
        self, policy: GroupPolicy, earned: Sequence[Earned], update: int
    ) -> dict[str, Tensor]:
        """``loss_policy`` and ``loss_entropy``, and ``entropy`` for the log."""
        parts, entropies = [], []
        for _, actors, rewards in earned:
            own = [torch.tensor(row, dtype=torch.float32) for row in rewards]
            returns = [discounted_returns(row, self.gamma) for row in own]
            baselines, scale = leave_one_out(returns)
            for actor, row, baseline in zip(actors, own, baselines, strict=True):
                log_probs, entropy = actor.evaluated(policy)
                scales = scale.expand(len(row))
                parts.append(reinforce_loss(log_probs, row, self.gamma, baseline, scales))
                entropies.append(entropy)
        entropy = torch.stack(entropies).mean()
        weight = self.entropy_weight * 0.5 ** (update / self.half_life)
        return dict(
            loss_policy=torch.stack(parts).mean(),
            loss_entropy=-weight * entropy,
            entropy=entropy.detach(),
        )


class SamplingActor:
    """Draws from the policy and remembers what it saw and did."""

    def __init__(self, policy: GroupPolicy, seed: int) -> None:
        self._policy, self._generator = policy, torch.Generator().manual_seed(seed)
        self._state: Tensor | None = None
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.actions: list[list[int]] = []

    def __call__(self, observation: Any) -> list[float]:
        """Draw the multipliers of the next window."""
        groups, run = observation
        actions, self._state = self._policy.act(groups, run, self._state, self._generator)
        self.seen.append(observation)
        self.actions.append(actions)
        return [self._policy.multipliers[i] for i in actions]

    def evaluated(self, policy: GroupPolicy) -> tuple[Tensor, Tensor]:
        """Log-probabilities (T,) of what was done, summed over groups, and the mean entropy."""
        rows, state = [], None
        device = policy.head.weight.device
        for groups, run in self.seen:
            log_probs, state = policy.forward(groups.to(device), run.to(device), state)
            rows.append(log_probs[0].cpu())
        logits = torch.stack(rows)
        taken = logits.gather(2, torch.tensor(self.actions).unsqueeze(2)).squeeze(2).sum(1)
        return taken, -(logits.exp() * logits).sum(2).mean()


@TASK_UTILS.register_module()
class EvolutionTrainer:
    """Evolution strategies with antithetic pairs (Salimans et al. 2017) on common random numbers.

    Each pair of episodes of one training acts by the mean decisions, those that a finished policy
    is used with, of the policy plus and minus the same noise on its weights. What the one earned
    more than the other, over the spread of all returns of that training, weighs the noise; the
    runner's optimizer takes their mean for the gradient (of the weights in units of their noise).

    Args:
        pairs: Of one training. Default 4.
        sigma: Noise of the last layer, which is 0 in a new policy. Default 0.3.
        trunk_sigma: Noise of the layers before. Default 0.03.

    Raises:
        ValueError: A number out of range.
    """

    def __init__(self, pairs: int = 4, sigma: float = 0.3, trunk_sigma: float = 0.03) -> None:
        _at_least("pairs", pairs, 1)
        for name, value in (("sigma", sigma), ("trunk_sigma", trunk_sigma)):
            if not value >= 0 or (name == "sigma" and value == 0):
                raise ValueError(wrong(f"trainer.{name}", value, "a number above 0"))
        self.pairs, self.sigma, self.trunk_sigma = pairs, sigma, trunk_sigma

    def actors(self, policy: GroupPolicy, number: int) -> list[MeanActor]:
        """Actors of the episodes of training ``number``, plus and minus in turn."""
        found = []
        for pair in range(self.pairs):
            noise = self._noise(policy, number, pair)
            for sign in (1.0, -1.0):
                changed = GroupPolicy(**policy.arguments)  # type: ignore[arg-type]
                changed.load_state_dict(policy.state_dict())
                with torch.no_grad():
                    for name, parameter in changed.named_parameters():
                        parameter.add_(noise[name], alpha=sign * self._size(name))
                found.append(MeanActor(changed))
        return found

    def losses(
        self, policy: GroupPolicy, earned: Sequence[Earned], update: int
    ) -> dict[str, Tensor]:
        """``loss_policy``, whose gradient is minus the estimate, and ``entropy`` for the log."""
        loss, entropies = 0.0 * policy.head.bias.sum(), []
        for number, actors, rewards in earned:
            returns = torch.tensor([sum(row) for row in rewards], dtype=torch.float64)
            spread = float(returns.std())
            for pair in range(self.pairs):
                gain = float(returns[2 * pair] - returns[2 * pair + 1])
                weight = gain / (2 * spread) if spread > 0 else 0.0
                noise = self._noise(policy, number, pair)
                for name, parameter in policy.named_parameters():
                    part = (parameter * noise[name].to(parameter.device)).sum()
                    loss = loss - weight / (self.pairs * len(earned)) * part
            entropies += [actor.entropy for actor in actors]
        return dict(loss_policy=loss, entropy=torch.tensor(entropies).mean())

    def _size(self, name: str) -> float:
        return self.sigma if name.startswith("head.") else self.trunk_sigma

    def _noise(self, policy: GroupPolicy, number: int, pair: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(number * 1000 + pair)
        return {
            name: torch.randn(parameter.shape, generator=generator)
            for name, parameter in policy.named_parameters()
        }


class MeanActor:
    """Decides by the mean of a policy's distribution."""

    def __init__(self, policy: GroupPolicy) -> None:
        self._policy = policy
        self._state: Tensor | None = None
        self._entropies: list[Tensor] = []

    @property
    def entropy(self) -> float:
        """Mean entropy of a group's decision in the episode."""
        return float(torch.stack(self._entropies).mean())

    @torch.no_grad()
    def __call__(self, observation: Any) -> list[float]:
        """The multipliers of the next window."""
        log_probs, self._state = self._policy(*observation, self._state)
        self._entropies.append(-(log_probs.exp() * log_probs).sum(2).mean())
        return self._policy.mean_multipliers(log_probs[0])


def _at_least(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(wrong(f"trainer.{name}", value, f"an integer >= {least}"))
