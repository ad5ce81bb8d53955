"""The policy as a model that MMEngine can train."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn import functional

from .policy import LSTMPolicy, PolicyState
from .reinforce_loss import discounted_returns, reinforce_loss


@MODELS.register_module()
class ReinforcePolicy(LSTMPolicy, BaseModel):
    """:class:`LSTMPolicy` with a training step by REINFORCE.

    Its parameters and their names are the policy's own: what a runner saves loads strictly into a
    bare :class:`LSTMPolicy`. :class:`~mmasg.l2o.PolicyGradientLoop` feeds it rollouts.
    """

    def forward(  # type: ignore[override]
        self,
        observation: Tensor,
        state: PolicyState | None = None,
        mode: str = "tensor",
        **rollout: Any,
    ) -> Any:
        """The policy's own forward, or with ``mode='loss'`` the losses of a rollout."""
        if mode == "loss":
            return self.loss(observation, state, **rollout)
        return LSTMPolicy.forward(self, observation, state)

    def loss(
        self,
        observation: Tensor,
        state: PolicyState | None,
        actions: Tensor,
        rewards: Tensor,
        gamma: float = 0.0,
        baseline: Tensor | str | None = None,
        scale: Tensor | None = None,
        entropy_weight: float = 0.0,
        value_weight: float = 0.5,
    ) -> dict[str, Tensor]:
        """REINFORCE over one rollout of T decisions (method: per-step credit).

        Args:
            observation: (T, num_scalars + num_groups), in time order.
            state: LSTM state before the first decision, a constant of the update.
            actions: (T, num_groups), indices of the multipliers chosen.
            rewards: (T,).
            gamma: Discount.
            baseline: (T,), or ``'value'`` for the value head, which is then trained to predict
                the returns; ``None`` for none.
            scale: (T,), divides the advantages.
            entropy_weight: Weight of the mean entropy, summed over groups, as a bonus.
            value_weight: Weight of the value head's squared error.

        Returns:
            ``loss_policy``, ``loss_entropy`` and ``loss_value`` where used, and for the log
            ``entropy`` (mean over groups and time, nats) and ``reward``.
        """
        if state is not None:
            state = (state[0].detach(), state[1].detach())
        logits_list, values_list = [], []
        for t in range(observation.shape[0]):
            logits_t, value_t, state = LSTMPolicy.forward(self, observation[t : t + 1], state)
            logits_list.append(logits_t[0])
            values_list.append(value_t[0])
        logits, values = torch.stack(logits_list), torch.stack(values_list)
        log_probs = logits.gather(2, actions.unsqueeze(2)).squeeze(2).sum(1)
        entropy = -(logits.exp() * logits).sum(2)

        losses: dict[str, Tensor] = {}
        if isinstance(baseline, str):
            returns = discounted_returns(rewards, gamma)
            losses["loss_value"] = value_weight * functional.mse_loss(values, returns)
            baseline = values.detach()
        policy_loss = reinforce_loss(log_probs, rewards, gamma, baseline, scale)
        # The value head takes part in the graph in any case: DistributedDataParallel waits for the
        # gradient of every parameter.
        losses["loss_policy"] = policy_loss + 0.0 * values.sum()
        if entropy_weight:
            losses["loss_entropy"] = -entropy_weight * entropy.sum(1).mean()
        losses["entropy"] = entropy.detach().mean()
        losses["reward"] = rewards.mean()
        return losses
