"""The policy network that picks a learning-rate multiplier for every layer group.

Pure PyTorch: this file knows neither MMEngine nor how the observation is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmasg.errors import wrong

DEFAULT_MULTIPLIERS: tuple[float, ...] = tuple(i / 10 for i in range(11))
"""The multipliers that the paper's policy chooses from: 0, 0.1, ..., 1."""

PolicyState = tuple[Tensor, Tensor]
"""Hidden and cell states of the LSTMs, each (num_scalars, B, hidden_size)."""


class LSTMPolicy(nn.Module):
    """Recurrent policy over layer-wise learning-rate multipliers (ASG, section 3.2).

    One single-layer LSTM per scalar reads its scalar; their hidden outputs, concatenated in the
    scalars' order, are shared by all groups. One linear layer per group reads the shared features
    and the group's current multiplier and gives the logits of a categorical distribution over
    ``multipliers``. A value head reads all groups' features; plain REINFORCE does not use it.

    Initialisation: LSTM weights orthogonal, action layers orthogonal with gain 0.01, value head
    orthogonal, every bias 0. A new policy is therefore close to uniform.

    Args:
        num_groups: Number of layer groups, G.
        num_scalars: Number of scalars at the front of an observation. Default 5.
        multipliers: The choices, M numbers >= 0. Default 0, 0.1, ..., 1.
        hidden_size: Hidden units of each LSTM. Default 20.
        carry_state: Carry the LSTM state from decision to decision (default). ``False`` starts
            every call from the zero state, which is how the released policies were used. It is
            only ever what the constructor was given; loading weights does not change it.

    Raises:
        ValueError: A count below 1, or multipliers that are empty, repeated or negative.

    Example:
        >>> policy = LSTMPolicy(num_groups=7)
        >>> logits, value, state = policy(torch.rand(1, 12))
        >>> logits, value, state = policy(torch.rand(1, 12), state)
        >>> logits.shape, value.shape
        (torch.Size([1, 7, 11]), torch.Size([1]))
    """

    def __init__(
        self,
        num_groups: int,
        num_scalars: int = 5,
        multipliers: Sequence[float] = DEFAULT_MULTIPLIERS,
        hidden_size: int = 20,
        carry_state: bool = True,
    ) -> None:
        super().__init__()
        for name, count in (
            ("num_groups", num_groups),
            ("num_scalars", num_scalars),
            ("hidden_size", hidden_size),
        ):
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise ValueError(wrong(f"LSTMPolicy.{name}", count, "an integer >= 1"))
        self.multipliers = check_multipliers(multipliers, "LSTMPolicy")
        self.num_groups = num_groups
        self.num_scalars = num_scalars
        self.hidden_size = hidden_size
        self.carry_state = bool(carry_state)

        features = num_scalars * hidden_size + 1
        self.encoders = nn.ModuleList(nn.LSTM(1, hidden_size) for _ in range(num_scalars))
        self.heads = nn.ModuleList(
            nn.Linear(features, len(self.multipliers)) for _ in range(num_groups)
        )
        self.critic = nn.Linear(num_groups * features, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights from PyTorch's global generator (method's initialisation)."""
        for name, parameter in self.encoders.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter)
        for name, parameter in self.heads.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter, gain=0.01)
        nn.init.orthogonal_(self.critic.weight)
        nn.init.zeros_(self.critic.bias)

    def zero_state(self, batch_size: int = 1) -> PolicyState:
        """The state before the first decision: two zeros of (num_scalars, B, hidden_size)."""
        weight = self.critic.weight
        shape = (self.num_scalars, batch_size, self.hidden_size)
        return weight.new_zeros(shape), weight.new_zeros(shape)

    def forward(
        self, observation: Tensor, state: PolicyState | None = None
    ) -> tuple[Tensor, Tensor, PolicyState]:
        """One decision for each of B independent runs.

        Args:
            observation: (B, num_scalars + num_groups): the scalars, then each group's current
                multiplier.
            state: What the call before returned; ``None`` is the zero state. Not looked at with
                ``carry_state=False``.

        Returns:
            Log-probabilities (B, num_groups, len(multipliers)), values (B,), and the new state.

        Raises:
            ValueError: ``observation`` has another shape.
        """
        width = self.num_scalars + self.num_groups
        if observation.dim() != 2 or observation.shape[1] != width:
            raise ValueError(
                f"LSTMPolicy: the observation must be (B, {width}), that is {self.num_scalars} "
                f"scalars and {self.num_groups} multipliers, got {tuple(observation.shape)}."
            )
        if state is None or not self.carry_state:
            state = self.zero_state(observation.shape[0])
        hidden_in, cell_in = state

        outputs, hidden_out, cell_out = [], [], []
        for i, encoder in enumerate(self.encoders):
            scalar = observation[:, i].reshape(1, -1, 1)  # (time=1, B, 1)
            output, (hidden, cell) = encoder(scalar, (hidden_in[i : i + 1], cell_in[i : i + 1]))
            outputs.append(output[0])
            hidden_out.append(hidden)
            cell_out.append(cell)
        shared = torch.cat(outputs, dim=1)

        features = [
            torch.cat([shared, observation[:, i : i + 1]], dim=1)
            for i in range(self.num_scalars, width)
        ]
        logits = torch.stack(
            [head(feature) for head, feature in zip(self.heads, features, strict=True)], dim=1
        )
        value = self.critic(torch.cat(features, dim=1)).squeeze(1)
        return logits.log_softmax(-1), value, (torch.cat(hidden_out), torch.cat(cell_out))

    @torch.no_grad()
    def act(
        self, observation: Tensor, state: PolicyState | None, generator: torch.Generator | None
    ) -> tuple[list[int], PolicyState]:
        """Draw one decision.

        Args:
            observation: (1, num_scalars + num_groups), on any device.
            state: As for :meth:`forward`.
            generator: See :func:`choose`.

        Returns:
            Indices of the G multipliers, and the new state.
        """
        logits, _, state = self(observation.to(self.critic.weight.device), state)
        return choose(logits[0].exp(), generator).tolist(), state


def check_multipliers(multipliers: Any, owner: str) -> tuple[float, ...]:
    """Return the multipliers as a tuple of floats, or say what is wrong with them."""
    try:
        values = tuple(float(m) for m in multipliers)
        good = bool(values) and len(set(values)) == len(values)
        good = good and all(0 <= m < float("inf") for m in values)
    except (TypeError, ValueError):
        good = False
    if not good:
        allowed = "one or more different finite numbers >= 0"
        raise ValueError(wrong(f"{owner}.multipliers", multipliers, allowed))
    return values


def choose(probabilities: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw each group's choice, groups independently.

    Args:
        probabilities: (G, M).
        generator: Of the draws; ``None`` takes the most likely choice instead.

    Returns:
        Indices (G,), int64, on the CPU.
    """
    probabilities = probabilities.detach().cpu()
    if generator is None:
        return probabilities.argmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
