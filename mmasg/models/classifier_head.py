"""Pooling and the new classifier on top of a backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

from mmasg.errors import wrong


@MODELS.register_module()
class MLPClassifierHead(BaseModule):
    """Global average pooling, then Linear, ReLU, Linear (ASG's new VisDA-17 classifier).

    Parameter names are ``fc.0.*`` and ``fc.2.*``; without a hidden layer ``fc.0.*`` alone.
    The layers start as PyTorch initialises them.

    Args:
        in_channels: Channels of the feature map.
        num_classes: Number of classes, at least 2.
        hidden_channels: Width of the hidden layer; None for a single linear layer.
            Defaults to 512.
        in_index: Which of the backbone's feature maps to take. Defaults to -1, the last.
        extra_losses: Losses beside the cross-entropy, ``[dict(type='DCALoss')]``: modules that
            take logits and labels, logged under their ``loss_name``. Defaults to none.
        init_cfg: mmengine's initialisation settings. Defaults to None.

    Raises:
        ValueError: If there are fewer than 2 classes, or two losses have one name.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int | None = 512,
        in_index: int = -1,
        init_cfg: dict | None = None,
        extra_losses: Sequence[dict] = (),
    ) -> None:
        super().__init__(init_cfg)
        if not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(
                f"model.head.num_classes must be an integer of at least 2, got {num_classes!r}. "
                "Where the classes are read from folders, check the path they are read from"
            )
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.in_index = in_index
        self.extra_losses = nn.ModuleList(MODELS.build(loss) for loss in extra_losses)
        names = ["loss_ce", *(str(loss.loss_name) for loss in self.extra_losses)]
        if len(set(names)) < len(names):
            allowed = "losses of different names (loss_name=...)"
            raise ValueError(wrong("model.head.extra_losses", names, allowed))
        layers: list[nn.Module]
        if hidden_channels is None:
            layers = [nn.Linear(in_channels, num_classes)]
        else:
            layers = [
                nn.Linear(in_channels, hidden_channels),
                nn.ReLU(inplace=True),
                nn.Linear(hidden_channels, num_classes),
            ]
        self.fc = nn.Sequential(*layers)

    def forward(self, feats: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
        """Compute the logits.

        Args:
            feats: The backbone's feature maps, each (N, C, H, W), or already pooled (N, C).

        Returns:
            Logits, (N, classes).

        Raises:
            ValueError: If the feature map does not have ``in_channels`` channels.
        """
        x = feats if isinstance(feats, torch.Tensor) else feats[self.in_index]
        if x.shape[1] != self.in_channels:
            raise ValueError(
                f"model.head.in_channels is {self.in_channels}, but feature map "
                f"{self.in_index} of the backbone has {x.shape[1]} channels"
            )
        if x.ndim == 4:
            x = x.mean(dim=(2, 3))
        return self.fc(x)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the losses of a batch.

        Args:
            logits: (N, classes).
            labels: Class indices, (N,).

        Returns:
            ``loss_ce``, the cross-entropy's mean over the batch, the extra losses, and
            ``acc_top1``, the share of right predictions in percent (logged only).
        """
        right = (logits.detach().argmax(dim=1) == labels).float().mean() * 100
        extra = {str(loss.loss_name): loss(logits, labels) for loss in self.extra_losses}
        return {"loss_ce": F.cross_entropy(logits, labels), **extra, "acc_top1": right}
