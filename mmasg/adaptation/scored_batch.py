"""The logits and labels by which a model computes its own loss, taken from its forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScoredBatch:
    """Taps what the first loss of a segmentation head is called with, or a classifier's head.

    Args:
        model: A model of MMSegmentation (``decode_head.loss_decode``, the last of several heads),
            or a classifier whose ``head`` returns logits.
        key: Config key to name in errors.

    Raises:
        ValueError: The model has neither.
    """

    def __init__(self, model: nn.Module, key: str) -> None:
        self.key = key
        self._seen: tuple[Tensor, Tensor | None, int] | None = None
        head: Any = getattr(model, "decode_head", None)
        if isinstance(head, nn.ModuleList):
            head = head[-1]
        losses = getattr(head, "loss_decode", None)
        self.loss: Any = losses[0] if isinstance(losses, nn.ModuleList) else losses
        #: Weight of the model's own cross-entropy.
        self.weight = 1.0
        if isinstance(self.loss, nn.Module):
            self.weight = float(getattr(self.loss, "loss_weight", 1.0))
            self._handle = self.loss.register_forward_pre_hook(self._of_loss, with_kwargs=True)
        elif isinstance(getattr(model, "head", None), nn.Module):
            self._handle = model.head.register_forward_hook(self._of_head)  # type: ignore[union-attr, operator]
        else:
            raise ValueError(
                f"{key}: the model has neither decode_head.loss_decode nor head, so where its "
                "logits are is not known. Use a model of MMSegmentation, or SynRealClassifier."
            )

    def _of_loss(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        self._seen = (args[0], args[1], int(kwargs.get("ignore_index", 255)))

    def _of_head(self, module: nn.Module, args: tuple, output: Tensor) -> None:
        self._seen = (output, None, -100)

    def need_cross_entropy(self, key: str) -> None:
        """Raise where the model's own loss is not the plain cross-entropy.

        Raises:
            ValueError: It is another loss, or has class weights.
        """
        loss = self.loss
        if loss is None:
            return  # a classifier's
        kind = type(loss).__name__
        plain = kind == "CrossEntropyLoss" and not loss.use_sigmoid and loss.class_weight is None
        if not plain:
            raise ValueError(
                f"{key}: the first loss of the decode head is {kind} (or has class weights); soft "
                "labels go with a plain CrossEntropyLoss. Put one first, or use hard labels."
            )

    def take(self, samples: Sequence[Any]) -> tuple[Tensor, Tensor, int]:
        """Return logits (N, K, ...), labels (N, ...) and the ignored id of this forward pass.

        Raises:
            ValueError: The model did not call its loss.
        """
        if self._seen is None:
            raise ValueError(f"{self.key}: the model did not call its loss or its head.")
        pred, label, ignored = self._seen
        self._seen = None
        if label is None:
            label = torch.cat([s.gt_label.reshape(1) for s in samples]).to(pred.device)
        return pred, label, ignored

    def divisor(self, label: Tensor, ignored: int) -> Tensor:
        """What the model's own cross-entropy divides its sum by."""
        if self.loss is None or getattr(self.loss, "avg_non_ignore", True):
            return (label != ignored).sum().clamp(min=1)
        return torch.tensor(label.numel(), device=label.device)

    def clear(self) -> None:
        """Forget what was seen."""
        self._seen = None

    def remove(self) -> None:
        """Detach."""
        self._seen = None
        self._handle.remove()


def padded(values: Tensor, like: Tensor) -> Tensor:
    """Give a map (M, H, W) the size of ``like``, zeros to the right and below.

    The map of an image with one label, (M, 1, 1), becomes (M,) where ``like`` is.
    """
    values = values.to(like.device)
    if like.dim() == 1:
        return values.flatten()
    height, width = like.shape[-2] - values.shape[-2], like.shape[-1] - values.shape[-1]
    return F.pad(values, (0, width, 0, height))
