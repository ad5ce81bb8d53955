"""Whether the task and the consistency loss pull a layer group into the same direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mmasg.consistency.taps import LossTap

from .gradient_sketch import GradientSketch, cosines
from .observation import CONSISTENCY_LOSS


class TaskKLAgreement:
    """Cosines of the task's and the consistency loss's gradients, on request.

    It takes two further backward passes, down to the few tensors of the sketch alone, so that
    nobody asks for it more often than once a window. Gradients that the training collects are left
    alone.

    Args:
        model: The model, without its distributed wrapper; with ``parse_losses``.
        sketch: The tensors and elements that are looked at.
        distance: Name of the raw consistency loss.
        warn: Called with a message where it cannot be measured, once.
    """

    def __init__(
        self, model: nn.Module, sketch: GradientSketch, distance: str, warn: Callable[[str], object]
    ) -> None:
        self._model, self._sketch, self._warn = model, sketch, warn
        self._others = (CONSISTENCY_LOSS, distance)
        #: Measure in the next forward pass.
        self.wanted = False
        #: What was measured, (G,), until somebody takes it.
        self.found: Tensor | None = None
        # After the consistency hook's own, which has joined the model before.
        self._tap = LossTap(model, lambda: None, self._after)

    def close(self) -> None:
        """Detach from the model."""
        self._tap.remove()

    def _after(self, losses: dict[str, Any]) -> dict[str, Tensor]:
        consistency = losses.get(CONSISTENCY_LOSS)
        if self.wanted and isinstance(consistency, Tensor) and consistency.requires_grad:
            self.wanted = False
            task, _ = self._model.parse_losses(  # type: ignore[operator]
                {name: value for name, value in losses.items() if name not in self._others}
            )
            try:
                self.found = cosines(self._gradient(task), self._gradient(consistency))
            except RuntimeError as error:  # reentrant checkpointing, a compiled backward pass
                self._warn(
                    "The gradients of task and consistency loss cannot be compared in this model "
                    f"({str(error).splitlines()[0]}): the policy decides without."
                )
                self.close()
        return {}

    def _gradient(self, loss: Tensor) -> Tensor:
        tensors = self._sketch.tensors
        trained = [t for t in tensors if t.requires_grad]
        with torch.autocast(loss.device.type, enabled=False):
            found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        gradients = iter(found)
        return self._sketch.take([next(gradients) if t.requires_grad else None for t in tensors])
