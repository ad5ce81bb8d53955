"""One policy network for all layer groups, however many there are.

Pure PyTorch: this file knows neither MMEngine nor where the observed values come from.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmasg.errors import wrong

from .policy import choose

GROUP_INPUTS = (
    "depth",
    "new",
    "log_multiplier",
    "log_step",
    "gradient_share",
    "gradient_change",
    "gradient_agreement",
    "task_kl_agreement",
)
"""What is observed of every group, see :func:`mmasg.l2o.group_observation.observe_groups`."""

RUN_INPUTS = ("task_loss", "task_slope", "kl", "kl_slope", "guided", "progress")
"""What is observed of the run as a whole."""


class GroupPolicy(nn.Module):
    r"""Recurrent policy over relative steps, the same network for every layer group.

    A multiplier :math:`m = \text{factor}^k`, k from -steps to steps, is drawn for each group; it
    multiplies the group's relative step (:class:`~mmasg.optim.RelativeStepHook`), so k = 0 is the
    fixed rule. The logits are

    .. math:: -\frac{k^2}{2\,\text{spread}^2} + (W h_g + b)_k

    with :math:`h_g` the state of the group's recurrent cell, and W and b 0 in a new policy: its
    most likely choice is k = 0 for every group, whatever it observes, and its draws lie around
    it. Training can only move away from the rule where that pays.

    Groups share all weights; each has a state of its own, and sees its own inputs, the run's, and
    the mean of all groups' encodings. The network therefore fits any number of groups, and
    permuting them permutes what it says.

    Args:
        hidden_size: Width of the encoding and of the recurrent state. Default 32.
        factor: Ratio of neighbouring multipliers, above 1. Default 2.
        steps: Number of multipliers on either side of 1. Default 4: 1/16 to 16.
        spread: Standard deviation of a new policy's draws in steps, cut at the ends. Default 1.

    Raises:
        ValueError: A number out of range.

    Example:
        >>> policy = GroupPolicy()
        >>> log_probs, state = policy(torch.rand(1, 6, 8), torch.rand(1, 6))
        >>> log_probs.shape
        torch.Size([1, 6, 9])
    """

    def __init__(
        self, hidden_size: int = 32, factor: float = 2.0, steps: int = 4, spread: float = 1.0
    ) -> None:
        super().__init__()
        for name, count, most in (("hidden_size", hidden_size, 4096), ("steps", steps, 100)):
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= most:
                raise ValueError(wrong(f"GroupPolicy.{name}", count, f"an integer, 1 to {most}"))
        for name, number, least in (("factor", factor, 1), ("spread", spread, 0)):
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise ValueError(wrong(f"GroupPolicy.{name}", number, f"a number above {least}"))
            if not least < number < math.inf:
                raise ValueError(wrong(f"GroupPolicy.{name}", number, f"a number above {least}"))
        self.hidden_size, self.steps = hidden_size, steps
        self.factor, self.spread = float(factor), float(spread)
        #: The choices, in order; the middle one is 1 exactly.
        self.multipliers = tuple(self.factor**k for k in range(-steps, steps + 1))
        self.encoder = nn.Linear(len(GROUP_INPUTS) + len(RUN_INPUTS), hidden_size)
        self.cell = nn.GRUCell(2 * hidden_size, hidden_size)
        self.head = nn.Linear(hidden_size, len(self.multipliers))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        k = torch.arange(-steps, steps + 1, dtype=torch.float32)
        self.register_buffer("prior", -(k**2) / (2 * self.spread**2), persistent=False)

    @property
    def arguments(self) -> dict[str, int | float]:
        """The constructor's arguments."""
        return dict(
            hidden_size=self.hidden_size, factor=self.factor, steps=self.steps, spread=self.spread
        )

    def zero_state(self, batch_size: int, num_groups: int) -> Tensor:
        """The state before the first decision: zeros of (B, G, hidden_size)."""
        return self.head.weight.new_zeros(batch_size, num_groups, self.hidden_size)

    def forward(
        self, groups: Tensor, run: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One decision for each of B independent runs.

        Args:
            groups: (B, G, len(GROUP_INPUTS)), each group's inputs.
            run: (B, len(RUN_INPUTS)).
            state: (B, G, hidden_size), what the call before returned; ``None`` is the zero state.

        Returns:
            Log-probabilities (B, G, 2 * steps + 1) of the ``multipliers``, and the new state.

        Raises:
            ValueError: Inputs or a state of another shape.
        """
        if groups.dim() != 3 or groups.shape[1] < 1 or groups.shape[2] != len(GROUP_INPUTS):
            allowed = f"(B, G, {len(GROUP_INPUTS)}) with at least one group"
            raise ValueError(wrong("GroupPolicy: groups", tuple(groups.shape), allowed))
        batch, count, _ = groups.shape
        if run.shape != (batch, len(RUN_INPUTS)):
            allowed = f"{(batch, len(RUN_INPUTS))}"
            raise ValueError(wrong("GroupPolicy: run", tuple(run.shape), allowed))
        if state is None:
            state = self.zero_state(batch, count)
        elif state.shape != (batch, count, self.hidden_size):
            allowed = f"{(batch, count, self.hidden_size)}"
            raise ValueError(wrong("GroupPolicy: state", tuple(state.shape), allowed))
        inputs = torch.cat([groups, run.unsqueeze(1).expand(-1, count, -1)], dim=2)
        encoded = torch.tanh(self.encoder(inputs))
        everyone = encoded.mean(1, keepdim=True).expand_as(encoded)
        seen = torch.cat([encoded, everyone], dim=2).flatten(0, 1)
        state = self.cell(seen, state.flatten(0, 1)).unflatten(0, (batch, count))
        logits = self.prior + self.head(state)
        return logits.log_softmax(-1), state

    def mean_multipliers(self, log_probs: Tensor) -> list[float]:
        """Multipliers ``factor`` to the power of each group's mean k; of the prior exactly 1.

        Args:
            log_probs: (G, 2 * steps + 1).
        """
        probs = log_probs.detach().cpu().double().exp()
        # k and -k together: where both are equally likely they cancel to 0, not to a rounding.
        lower, upper = probs[:, : self.steps].flip(1), probs[:, self.steps + 1 :]
        means = ((upper - lower) * torch.arange(1.0, self.steps + 1)).sum(1)
        return [self.factor**k for k in means.tolist()]

    @torch.no_grad()
    def act(
        self,
        groups: Tensor,
        run: Tensor,
        state: Tensor | None,
        generator: torch.Generator | None,
    ) -> tuple[list[int], Tensor]:
        """Draw one decision for one run, or take the most likely one without a generator.

        Returns:
            Indices of the G multipliers, and the new state.
        """
        device = self.head.weight.device
        log_probs, state = self(groups.to(device), run.to(device), state)
        return choose(log_probs[0].exp(), generator).tolist(), state

    @torch.no_grad()
    def decide(
        self,
        groups: Tensor,
        run: Tensor,
        state: Tensor | None,
        mode: str = "mean",
        generator: torch.Generator | None = None,
    ) -> tuple[list[float], Tensor]:
        """One decision for one run.

        Args:
            groups: (1, G, len(GROUP_INPUTS)).
            run: (1, len(RUN_INPUTS)).
            state: What the call before returned.
            mode: ``'mean'`` of the distribution over k (:meth:`mean_multipliers`), ``'argmax'`` or
                ``'sample'``.
            generator: Of the draws.

        Returns:
            The G multipliers, and the new state.
        """
        if mode == "mean":
            device = self.head.weight.device
            log_probs, state = self(groups.to(device), run.to(device), state)
            return self.mean_multipliers(log_probs[0]), state
        indices, state = self.act(groups, run, state, generator if mode == "sample" else None)
        return [self.multipliers[i] for i in indices], state
