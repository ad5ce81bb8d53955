"""Vision transformers with DINOv2-, MAE- or CLIP-style weights, as MMSegmentation builds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.registry import MODELS
from mmseg.models.backbones import VisionTransformer
from torch import Tensor, nn

from mmasg.errors import wrong

from .foundation_files import rename_vit, resize_patches, resize_positions
from .imagenet_init import load_strictly, read_state_dict, split_pretrained

_KEY = "FoundationViT"


@MODELS.register_module()
class FoundationViT(VisionTransformer):
    """MMSegmentation's ``VisionTransformer`` that reads the files of foundation models.

    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` takes the names of timm, DINOv2, MAE and
    CLIP, or its own. Position embeddings are interpolated to ``img_size``, patches of another size
    resized (FlexiViT), DINOv2's layer scales multiplied into the layers before them. Loading is
    strict: a tensor that is missing, unknown or of another shape is an error.

    Such files mostly hold no ImageNet classifier. ``ImageNetConsistencyHook`` keeps the network
    near its pretraining all the same, by its features::

        dict(type='ImageNetConsistencyHook', loss=dict(type='FeatureCosineLoss'))

    Args:
        *args: As for MMSegmentation's ``VisionTransformer``.
        num_registers (int): Register tokens (Darcet et al. 2024), 4 in DINOv2's ``_reg`` files.
            They go through the layers with the others and are left out of what is returned.
            Defaults to 0.
        patch_bias (bool): DINOv2, MAE and timm: True (default). CLIP: False, with ``pre_norm=True``
            and ``act_cfg=dict(type='mmseg.QuickGELU')``.
        norm_cfg (dict): Defaults to ``dict(type='LN', eps=1e-6)``; CLIP's eps is 1e-5.
        **kwargs: As for MMSegmentation's ``VisionTransformer``.

    Raises:
        ValueError: ``num_registers`` is no whole number, or stands beside ``out_origin=True`` or
            ``with_cls_token=False``; a file that does not fit.
        FileNotFoundError: A file that is not there.

    Example:
        >>> backbone = dict(
        ...     type='FoundationViT', img_size=518, patch_size=14, embed_dims=384, num_layers=12,
        ...     num_heads=6, num_registers=4, out_indices=(2, 5, 8, 11),
        ...     init_cfg=dict(type='Pretrained', checkpoint='dinov2_vits14_reg4_pretrain.pth'))
    """

    def __init__(
        self,
        *args: Any,
        num_registers: int = 0,
        patch_bias: bool = True,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        norm_cfg = norm_cfg or dict(type="LN", eps=1e-6)
        super().__init__(*args, patch_bias=patch_bias, norm_cfg=norm_cfg, **kwargs)
        whole = isinstance(num_registers, int) and not isinstance(num_registers, bool)
        if not whole or num_registers < 0:
            raise ValueError(wrong(f"{_KEY}.num_registers", num_registers, "0, 1, 2, ..."))
        if num_registers and (self.out_origin or not self.with_cls_token):
            got = dict(out_origin=self.out_origin, with_cls_token=self.with_cls_token)
            allowed = "out_origin=False and with_cls_token=True beside num_registers"
            raise ValueError(wrong(f"{_KEY}", got, allowed))
        self.num_registers = num_registers
        if num_registers:
            self.registers = nn.Parameter(torch.zeros(1, num_registers, self.cls_token.shape[-1]))

    def rename_imagenet(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of the file -> ours; positions and patches brought to this network's sizes."""
        renamed = rename_vit(weights)
        if "pos_embed" in renamed:
            grid = (self.img_size[0] // self.patch_size, self.img_size[1] // self.patch_size)
            renamed["pos_embed"] = resize_positions(renamed["pos_embed"], grid, _KEY)
        kernel = renamed.get("patch_embed.projection.weight")
        if kernel is not None and kernel.ndim == 4 and kernel.shape[-1] != self.patch_size:
            renamed["patch_embed.projection.weight"] = resize_patches(kernel, self.patch_size)
        if not self.final_norm:
            renamed = {n: v for n, v in renamed.items() if not n.startswith("ln1.")}
        return renamed

    def init_weights(self) -> None:
        """Initialise; the ``Pretrained`` entry of ``init_cfg`` strictly."""
        pretrained, _ = split_pretrained(self.init_cfg)
        if pretrained is None:
            super().init_weights()
            if self.num_registers:
                nn.init.normal_(self.registers, std=1e-6)
            return
        checkpoint = pretrained["checkpoint"]
        key = f"init_cfg.checkpoint of {_KEY}"
        weights = read_state_dict(checkpoint, pretrained.get("prefix"), key)
        load_strictly(self, self.rename_imagenet(weights), f"checkpoint '{checkpoint}'")

    def forward(self, inputs: Tensor) -> tuple[Any, ...]:
        """Feature maps of an image batch (N, 3, H, W): (N, C, H / patch, W / patch) a layer."""
        if not self.num_registers:
            return super().forward(inputs)
        x, (height, width) = self.patch_embed(inputs)
        count = len(x)
        x = torch.cat([self.cls_token.expand(count, -1, -1), x], dim=1)
        # Positions for the class token and the patches; registers have none, and their place in
        # the sequence means nothing: at its end the class token stays the first.
        x = self._pos_embeding(x, (height, width), self.pos_embed)
        x = torch.cat([x, self.registers.expand(count, -1, -1)], dim=1)
        if self.pre_norm:
            x = self.pre_ln(x)
        outs: list[Any] = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index == len(self.layers) - 1 and self.final_norm:
                x = self.norm1(x)
            if index in self.out_indices:
                patches = x[:, 1 : -self.num_registers].transpose(1, 2)
                maps = patches.reshape(count, -1, height, width).contiguous()
                outs.append([maps, x[:, 0]] if self.output_cls_token else maps)
        return tuple(outs)
