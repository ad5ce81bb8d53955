"""What the policy sees: the means of a few scalars over one window of iterations.

Pure PyTorch: where the values come from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmasg.errors import wrong

SCALARS = ("task_loss", "kl", "progress", "weight_mean", "weight_std")
"""The scalars at the front of an observation, in the policy's order (ASG, section 3.2)."""

CONSISTENCY_LOSS = "loss_imagenet"
CONSISTENCY_KL = "kl_imagenet"


class WindowStatistics:
    """Running sums of the five scalars over the current window.

    Sums stay on the values' device, so that adding costs no synchronisation; only :meth:`mean`
    does. They are kept in float64 (float32 where the device has no float64).
    """

    def __init__(self) -> None:
        self.count = 0
        self.sums: Tensor | None = None

    def add(
        self,
        task_loss: Tensor | float,
        kl: Tensor | float,
        progress: float,
        weight: Tensor,
        reduce: Callable[[Tensor], object] | None = None,
    ) -> None:
        """Add one iteration.

        Args:
            task_loss: Sum of the model's own losses before the step.
            kl: The unweighted consistency divergence before the step; 0 without one.
            progress: step / total steps, the step counted from 0.
            weight: The last layer's weight after the step, any shape of two elements or more.
            reduce: Called on the five values to average them over processes in place.
        """
        dtype = torch.float32 if weight.device.type == "mps" else torch.float64
        with torch.no_grad():
            std, mean = torch.std_mean(weight.detach().float())  # unbiased by default
            row = torch.stack(
                [
                    torch.as_tensor(value, dtype=dtype, device=weight.device).detach()
                    for value in (task_loss, kl, progress, mean, std)
                ]
            )
            if reduce is not None:
                reduce(row)
            self.sums = row if self.sums is None else self.sums + row
        self.count += 1

    def mean(self) -> Tensor:
        """The five means, (5,), float64 on the CPU."""
        if self.sums is None:
            raise RuntimeError("No iteration has been added to this window.")
        return self.sums.cpu().double() / self.count

    def reset(self) -> None:
        """Begin the next window."""
        self.count = 0
        self.sums = None

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on in the middle of a window."""
        return dict(count=self.count, sums=None if self.sums is None else self.sums.cpu())

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device | str = "cpu") -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.count = state["count"]
        self.sums = None if state["sums"] is None else state["sums"].to(device, copy=True)


def make_observation(scalars: Tensor, multipliers: Sequence[float]) -> Tensor:
    """Observation (1, 5 + G): the window's means, then the multipliers of that window."""
    rates = torch.tensor(multipliers, dtype=torch.float64)
    return torch.cat([scalars.double(), rates]).float().unsqueeze(0)


def split_losses(outputs: Mapping[str, Any], distance: str = CONSISTENCY_KL) -> tuple[Any, Any]:
    """Task loss and unweighted distance from ImageNet among a training step's outputs.

    Args:
        outputs: What ``train_step`` returned: the total under ``'loss'``, and its parts under
            names that contain ``'loss'``.
        distance: Name of the raw consistency loss. Default: the paper's KL.

    Returns:
        The sum of all parts but the consistency loss, and the distance (0 without one). They are
        tensors or floats, as they came.

    Raises:
        ValueError: There is no loss among the outputs, or a weighted consistency loss without the
            raw one.
    """
    parts = [
        value
        for name, value in outputs.items()
        if "loss" in name and name not in ("loss", CONSISTENCY_LOSS, distance)
    ]
    if not parts:
        # A head that names its loss 'loss' (mmpretrain's) puts it in place of the total.
        if "loss" not in outputs:
            allowed = "at least one value whose name contains 'loss'"
            remedy = "The policy observes the task loss."
            raise ValueError(wrong("train_step", sorted(outputs), allowed, remedy))
        parts = [outputs["loss"]]
    if CONSISTENCY_LOSS in outputs and distance not in outputs:
        allowed = f"a raw value under the loss's log_name, {distance!r}, which the policy observes"
        raise ValueError(wrong("ImageNetConsistencyHook.loss", sorted(outputs), allowed))
    return sum(parts), outputs.get(distance, 0.0)
