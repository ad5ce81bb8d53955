"""Running sums of what :class:`~mmasg.l2o.GroupPolicy` is shown of a window. Pure PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .gradient_sketch import cosines
from .group_observation import WindowFacts


class GroupStatistics:
    """Sums over the iterations of the current window, and over the optimizer's steps in it.

    Device values stay on their device, so that adding costs no synchronisation; only :meth:`mean`
    does. An iteration without a step (accumulation, a skipped one) adds its losses alone.

    Args:
        num_groups: Number of layer groups, G.
    """

    def __init__(self, num_groups: int) -> None:
        self.num_groups = num_groups
        self.previous: Tensor | None = None  # the gradient's sample at the step before
        self.task_kl: Tensor | None = None
        self.reset()

    def reset(self) -> None:
        """Begin the next window; the last gradient is remembered."""
        self.count = 0
        self.sums: Tensor | None = None
        self.task_kl = None
        self._step: Tensor | None = None

    def add_step(
        self,
        gradient_norms: Tensor,
        weight_norms: Sequence[float],
        fractions: Sequence[float],
        sketch: Tensor,
    ) -> None:
        """Keep what an optimizer step shows until the iteration is added.

        Args:
            gradient_norms: (G,).
            weight_norms: G numbers.
            fractions: Each group's relative step.
            sketch: Sample of the gradients, (G, N).
        """
        known = torch.tensor([*weight_norms, *fractions], dtype=torch.float32)
        before = sketch if self.previous is None else self.previous
        agreements = cosines(sketch, before)
        if self.previous is None:
            agreements = torch.zeros_like(agreements)
        self.previous = sketch
        known = known.to(sketch.device, non_blocking=True)
        self._step = torch.cat([gradient_norms.float(), known, agreements])

    def add(
        self,
        task_loss: Tensor | float,
        kl: Tensor | float,
        device: torch.device,
        reduce: Callable[[Tensor], object] | None = None,
    ) -> None:
        """Add an iteration, with its step if there was one.

        Args:
            task_loss: Sum of the model's own losses.
            kl: The raw consistency loss, 0 without one.
            device: Where sums are kept.
            reduce: Called on the values to average them over processes in place.
        """
        dtype = torch.float32 if device.type == "mps" else torch.float64
        values = [torch.as_tensor(v, dtype=dtype, device=device).detach() for v in (task_loss, kl)]
        step = self._step
        if step is None:
            step = torch.zeros(4 * self.num_groups, dtype=dtype, device=device)
        stepped = float(self._step is not None)
        row = torch.stack([*values, torch.tensor(stepped, dtype=dtype, device=device)])
        row = torch.cat([row, step.to(device, dtype)])
        if reduce is not None:
            reduce(row)
        self.sums = row if self.sums is None else self.sums + row
        self._step = None
        self.count += 1

    def mean(self) -> WindowFacts:
        """The window's means. Without a step in it, what needs one is NaN."""
        if self.sums is None:
            raise RuntimeError("No iteration has been added to this window.")
        sums = self.sums.cpu().double()
        task_loss, kl = (sums[:2] / self.count).tolist()
        norms, weights, fractions, agreements = (
            (sums[3:] / sums[2]).view(4, self.num_groups).tolist()
        )
        task_kl = None if self.task_kl is None else self.task_kl.tolist()
        return WindowFacts(task_loss, kl, norms, weights, agreements, fractions, task_kl)

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on in the middle of a window."""
        kept = dict(sums=self.sums, previous=self.previous)
        return dict(
            count=self.count, **{k: None if v is None else v.cpu() for k, v in kept.items()}
        )

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device | str = "cpu") -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.reset()
        self.count = state["count"]
        for name in ("sums", "previous"):
            value = state[name]
            setattr(self, name, None if value is None else value.to(device, copy=True))
