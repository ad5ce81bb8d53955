"""ResNet with instance normalisation beside BatchNorm (IBN-Net)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmengine.logging import print_log
from mmengine.registry import MODELS
from mmseg.models.backbones import ResNet
from torch import Tensor, nn

from mmasg.errors import wrong

_LOADED = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@MODELS.register_module(name="IBN")
class InstanceBatchNorm(nn.Module):
    """Instance normalisation of the first channels, BatchNorm of the others (Pan et al. 2018).

    Also as ``norm_cfg=dict(type="IBN")``. Parameters are ``IN.*`` and ``BN.*``, as in the files of
    IBN-Net's authors. A file with a plain BatchNorm in its place loads too: its weights and biases
    are cut in two, its statistics of the first channels have no use.

    Args:
        num_features: Channels, 2 or more.
        share: Share of the channels that is instance-normalised. Defaults to 0.5.
        norm_cfg: Of the other channels. Defaults to ``dict(type='BN')``.
        eps: Of both. Defaults to 1e-5.

    Shape:
        - input and output: (N, C, H, W).

    Raises:
        ValueError: A share that leaves one of the two without channels.
    """

    _abbr_ = "bn"

    def __init__(
        self,
        num_features: int,
        share: float = 0.5,
        norm_cfg: dict | None = None,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.split = int(num_features * share)
        if not 0 < self.split < num_features:
            allowed = f"a share of {num_features} channels that leaves some to both norms"
            raise ValueError(wrong("IBN.share", share, allowed))
        self.IN = nn.InstanceNorm2d(self.split, eps=eps, affine=True)
        cfg = {"eps": eps, **(norm_cfg or dict(type="BN"))}
        self.BN = build_norm_layer(cfg, num_features - self.split)[1]

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        first, rest = x[:, : self.split], x[:, self.split :]
        return torch.cat([self.IN(first.contiguous()), self.BN(rest.contiguous())], dim=1)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # nn.Module's own way for a class to read older files; BatchNorm does the same.
        if f"{prefix}weight" in state_dict and f"{prefix}BN.weight" not in state_dict:
            print_log(
                f"{prefix.rstrip('.')}: the file has a BatchNorm where the network has IBN; its "
                f"first {self.split} channels' statistics are not used",
                logger="current",
                level=30,
            )
            for name in _LOADED:
                value = state_dict.pop(prefix + name, None)
                if value is None:
                    continue
                state_dict[f"{prefix}BN.{name}"] = value[self.split :] if value.ndim else value
                if name in ("weight", "bias"):
                    state_dict[f"{prefix}IN.{name}"] = value[: self.split]
        super()._load_from_state_dict(state_dict, prefix, *args)


@MODELS.register_module()
class IBNResNet(ResNet):
    """MMSegmentation's ResNet with IBN-a: the first norm of the blocks is :class:`IBN`.

    Pan et al., *Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net*, ECCV
    2018, section 3.2: in all stages but the last, half of the channels behind each residual
    block's first convolution are instance-normalised, which takes appearance out of them.
    Start it from ImageNet weights of the very network (the authors released ``resnet50_ibn_a``
    and others): with those ``ImageNetConsistencyHook`` knows its ImageNet prediction. A plain
    ResNet's file loads with a warning, and such a network has no ImageNet prediction to keep:
    the hook refuses it.

    Args:
        *args: As for MMSegmentation's ``ResNet``.
        ibn_stages (Sequence[int]): Stages that have it, from 0. Defaults to (0, 1, 2).
        ibn_share (float): Share of the channels. Defaults to 0.5.
        **kwargs: As for MMSegmentation's ``ResNet``.

    Raises:
        ValueError: A stage that there is not, or a ``norm_cfg`` that is no BatchNorm.
    """

    def __init__(
        self,
        *args: Any,
        ibn_stages: Sequence[int] = (0, 1, 2),
        ibn_share: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        kind = self.norm_cfg["type"]
        if kind not in ("BN", "SyncBN"):
            raise ValueError(wrong("IBNResNet.norm_cfg.type", kind, "'BN' or 'SyncBN'"))
        count = len(self.res_layers)
        if not all(isinstance(i, int) and 0 <= i < count for i in ibn_stages):
            raise ValueError(
                wrong("IBNResNet.ibn_stages", tuple(ibn_stages), f"stages of 0 to {count - 1}")
            )
        for stage in ibn_stages:
            for block in getattr(self, self.res_layers[stage]):
                norm = InstanceBatchNorm(block.norm1.num_features, ibn_share, self.norm_cfg)
                norm.requires_grad_(block.norm1.weight.requires_grad)
                setattr(block, block.norm1_name, norm)
