"""Files of vision transformers without labels (DINOv2, MAE, CLIP), under MMSegmentation's names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

_TIMM_BLOCK = {
    "norm1": "ln1",
    "attn.qkv": "attn.attn.in_proj_",
    "attn.proj": "attn.attn.out_proj",
    "norm2": "ln2",
    "mlp.fc1": "ffn.layers.0.0",
    "mlp.fc2": "ffn.layers.1",
}
_CLIP_BLOCK = {
    "ln_1": "ln1",
    "attn.out_proj": "attn.attn.out_proj",
    "ln_2": "ln2",
    "mlp.c_fc": "ffn.layers.0.0",
    "mlp.c_proj": "ffn.layers.1",
}
_TIMM_TOP = {
    "patch_embed.proj": "patch_embed.projection",
    "norm_pre": "ln_pre",
    "norm": "ln1",
}
_CLIP_TOP = {"conv1": "patch_embed.projection", "ln_pre": "ln_pre", "ln_post": "ln1"}
#: Single tensors, by the names of any of the files.
_TOKENS = {
    "class_embedding": "cls_token",
    "positional_embedding": "pos_embed",
    "register_tokens": "registers",
    "reg_token": "registers",
}
#: What is beside the backbone: heads, MAE's decoder, DINOv2's mask, CLIP's projection.
_NOT_BACKBONE = re.compile(r"(head|fc_norm|head_dist|decoder_|mask_token|proj$|dist_token)")


def rename_vit(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of timm, DINOv2, MAE or CLIP -> names of MMSegmentation's ``VisionTransformer``.

    DINOv2's layer scales are multiplied into the layers before them, which is the same function.
    Names that are none of those files' are passed on, so that weights saved from the class load too
    and a stranger is noticed by the loader.

    Args:
        weights: The file's tensors.

    Returns:
        The backbone's tensors, in float32; positions are (1, L, C) with the class token's first.
    """
    if any(name.startswith("visual.") for name in weights):  # CLIP: the image's half of it
        weights = {
            name.removeprefix("visual."): value
            for name, value in weights.items()
            if name.startswith("visual.")
        }
    renamed: dict[str, Tensor] = {}
    scales: dict[str, Tensor] = {}
    for name, value in weights.items():
        if _NOT_BACKBONE.match(name):
            continue
        value = value.float() if value.is_floating_point() else value
        block = re.fullmatch(r"(?:blocks|transformer\.resblocks)\.(\d+)\.(.+)", name)
        scale = re.fullmatch(r"ls([12])\.gamma", block[2]) if block else None
        if block and scale:
            layer = "attn.attn.out_proj" if scale[1] == "1" else "ffn.layers.1"
            scales[f"layers.{block[1]}.{layer}"] = value
        elif block:
            renamed[f"layers.{block[1]}.{_in_block(block[2])}"] = value
        else:
            renamed[_at_the_top(name)] = value
    for layer, gamma in scales.items():
        for leaf in ("weight", "bias"):
            tensor = renamed[f"{layer}.{leaf}"]
            renamed[f"{layer}.{leaf}"] = tensor * (gamma[:, None] if tensor.ndim == 2 else gamma)
    for token in ("cls_token", "pos_embed", "registers"):
        if token in renamed:
            tensor = renamed[token]
            renamed[token] = tensor.reshape(1, -1, tensor.shape[-1])
    return renamed


def _in_block(name: str) -> str:
    part, _, leaf = name.rpartition(".")
    known = _TIMM_BLOCK | _CLIP_BLOCK
    if part in known:
        return f"{known[part]}{'' if known[part].endswith('_') else '.'}{leaf}"
    return f"attn.{name}" if name.startswith("attn.in_proj_") else name


def _at_the_top(name: str) -> str:
    if name in _TOKENS:
        return _TOKENS[name]
    part, _, leaf = name.rpartition(".")
    known = _TIMM_TOP | _CLIP_TOP
    return f"{known[part]}.{leaf}" if part in known else name


def resize_patches(kernel: Tensor, size: int) -> Tensor:
    """Change the side of the patches that a kernel embeds (FlexiViT, Beyer et al. 2023, eq. 4).

    The new kernel gives a resized patch the embedding that the old one gives the patch:
    ``<w', B x> = <w, x>`` with B the bilinear resizing, exactly where patches grow and as near as
    possible where they shrink.

    Args:
        kernel: (C, 3, p, p).
        size: The new side.

    Returns:
        (C, 3, size, size).
    """
    old = kernel.shape[-1]
    basis = torch.eye(old * old, dtype=torch.float64).reshape(old * old, 1, old, old)
    resized = F.interpolate(basis, size=(size, size), mode="bilinear", align_corners=False)
    inverse = torch.linalg.pinv(resized.reshape(old * old, size * size))  # B transposed
    flat = kernel.double().flatten(2) @ inverse.T
    return flat.reshape(*kernel.shape[:2], size, size).to(kernel.dtype)


def resize_positions(positions: Tensor, grid: tuple[int, int], source: str) -> Tensor:
    """Bring a file's position embedding to another grid of patches, bicubically.

    Args:
        positions: (1, L, C): a square grid, with or without the class token's in front.
        grid: Patches down and across.
        source: The file, for errors.

    Returns:
        (1, 1 + rows * columns, C); the class token's is 0 where the file has none.

    Raises:
        ValueError: The file's is no square grid.
    """
    length = positions.shape[1]
    with_class = int(round((length - 1) ** 0.5)) ** 2 == length - 1
    side = int(round((length - with_class) ** 0.5))
    if side**2 != length - with_class:
        raise ValueError(
            f"{source}: its position embedding has {length} places, which is no square grid of "
            "patches, with a class token or without"
        )
    first = positions[:, :1] if with_class else torch.zeros_like(positions[:, :1])
    patches = positions[:, with_class:]
    if (side, side) != tuple(grid):
        maps = patches.reshape(1, side, side, -1).permute(0, 3, 1, 2)
        maps = F.interpolate(maps, size=grid, mode="bicubic", align_corners=False)
        patches = maps.flatten(2).transpose(1, 2)
    return torch.cat([first, patches], dim=1)
