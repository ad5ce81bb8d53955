"""Losses that learn or remember: their parameters trained, their state in the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather, all_reduce, broadcast, get_rank, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmasg.errors import wrong
from mmasg.optim.named_groups import add_guests

from .teacher import ImageNetTeacher

_KEY = "ImageNetConsistencyHook"
#: Side of the image by which the channels of a teacher's stages are found.
_SIDE = 128


class LossState:
    """What the losses hold beside the model: projections, banks.

    Trained parameters join the last layer group of the model's optimizer, the one of the new
    layers: they have its rate, whoever sets it, without counting for the size of the group's steps.
    Their gradients are averaged over processes as they come. Checkpoints hold everything under
    ``consistency_loss``.

    Args:
        losses: Those with ``needs = 'stages'`` are built here; others have no state of this kind.
    """

    def __init__(self, losses: Sequence[nn.Module]) -> None:
        self.losses = nn.ModuleList(losses)

    def build(
        self,
        teacher: ImageNetTeacher,
        device: torch.device | str,
        batch_size: int | None,
        wrapper: Any,
    ) -> None:
        """Build what depends on the network, before the optimizer's state is loaded.

        Args:
            teacher: Its stages tell their channels.
            device: Where the model is.
            batch_size: Crops in a batch of one process; None: not known.
            wrapper: The training's optimizer wrapper.

        Raises:
            ValueError: A stage that the backbone has not, a bank smaller than a batch, or a loss
                to train under several optimizers.
        """
        staged = [loss for loss in self.losses if loss.needs == "stages"]
        if not staged:
            return
        widths = stage_channels(teacher)
        for loss in staged:
            if batch_size is not None:
                loss.check_batch(batch_size * get_world_size())  # type: ignore[operator]
            loss.build([widths[s] for s in loss.stages])  # type: ignore[operator, union-attr]
            loss.gather, loss.rank = gather_rows, get_rank()  # type: ignore[assignment]
        self.losses.to(device)
        for value in self.losses.state_dict().values():
            broadcast(value)  # every process has drawn its own
        self._train(wrapper)

    def _train(self, wrapper: Any) -> None:
        parameters = [p for p in self.losses.parameters() if p.requires_grad]
        if not parameters:
            return
        if not isinstance(wrapper, OptimWrapper):
            raise ValueError(
                wrong(
                    "optim_wrapper",
                    type(wrapper).__name__,
                    f"one optimizer, which trains the projection of {_KEY}.loss",
                    "Or a loss without one: loss=dict(..., projection=None).",
                )
            )
        add_guests(wrapper.optimizer, parameters)
        if get_world_size() > 1:
            for parameter in parameters:
                parameter.register_post_accumulate_grad_hook(_average_gradient)

    def state_dict(self) -> dict[str, Any]:
        """Return everything on the CPU, gradients that wait for their step included; or nothing."""
        state = {name: value.cpu() for name, value in self.losses.state_dict().items()}
        if not state:
            return {}
        gradients = {
            name: p.grad.cpu() for name, p in self.losses.named_parameters() if p.grad is not None
        }
        return dict(state=state, gradients=gradients)

    def load_state_dict(self, saved: dict[str, Any] | None) -> None:
        """Go on where :meth:`state_dict` was taken.

        Raises:
            ValueError: The checkpoint holds nothing, or something else.
        """
        own = self.losses.state_dict()
        if not own:
            return
        state = (saved or {}).get("state", {})
        theirs = {name: tuple(value.shape) for name, value in state.items()}
        if theirs != {name: tuple(value.shape) for name, value in own.items()}:
            raise ValueError(
                f"{_KEY}.loss: the checkpoint to resume holds "
                f"{'another state' if state else 'no state'} of this loss (projections, banks). "
                "Resume with the loss it was trained with; to start from its weights alone, set "
                "load_from to it, without --resume"
            )
        self.losses.load_state_dict(state)
        for name, p in self.losses.named_parameters():
            gradient = (saved or {}).get("gradients", {}).get(name)
            p.grad = None if gradient is None else gradient.to(p.device)


def stage_channels(teacher: ImageNetTeacher) -> dict[int | str, int]:
    """Return the channels of a teacher's stages, found by a run on one grey image.

    Raises:
        ValueError: The backbone has no such stage, or it did not run.
    """
    backbone = teacher.backbone
    example = next(backbone.parameters())
    image = torch.zeros(1, 3, _SIDE, _SIDE, device=example.device, dtype=example.dtype)
    return {
        stage: int(features.shape[1 if features.ndim == 4 else -1])
        for stage, features in teacher.stages(image).items()
    }


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all processes, in their order; all have to hold as many."""
    return torch.cat(all_gather(rows.contiguous()))


def _average_gradient(parameter: Tensor) -> None:
    assert parameter.grad is not None
    all_reduce(parameter.grad, op="mean")
