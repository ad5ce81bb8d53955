"""ImageNet networks of attention, written from their papers: image in, logits out."""

import torch
import torch.nn.functional as F
from imagenet_cnns import CLASSES


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def image(x, height):
    return x.transpose(1, 2).unflatten(2, (height, -1))


def mlp(w, x, name, ratio=4):
    x = F.gelu(w.linear(x, f"{name}.ffn.layers.0.0", ratio * x.shape[-1]))
    return w.linear(x, f"{name}.ffn.layers.1", x.shape[-1] // ratio)


def vit(w, x, heads=2, dim=16, depth=2, patch=8, norm="norm"):
    """Dosovitskiy et al. 2021; DeiT (Touvron et al. 2021) is the same network.

    ``fc_norm``: the mean of the patches instead of the class token, as MAE is fine-tuned.
    """
    x = tokens(w.conv(x, "patch_embed.projection", dim, patch, bias=True, stride=patch))
    token = w.parameter("cls_token", 1, 1, dim).expand(len(x), -1, -1)
    x = torch.cat([token, x], 1)
    x = x + w.parameter("pos_embed", 1, x.shape[1], dim, scale=0.5)
    for i in range(depth):
        y = w.layer_norm(x, f"layers.{i}.ln1", 1e-6)
        x = x + w.attention(y, y, f"layers.{i}.attn.attn", heads)
        x = x + mlp(w, w.layer_norm(x, f"layers.{i}.ln2", 1e-6), f"layers.{i}")
    x = x[:, 1:].mean(1) if norm == "fc_norm" else x[:, 0]
    return w.linear(w.layer_norm(x, norm, 1e-6), "head", CLASSES)


def beit(w, x, heads=2, dim=16, depth=2, patch=8, norm="fc_norm", absolute=False, relative=True):
    """Bao et al. 2022: relative position biases, scaled branches. MAE in mmseg's form of it."""
    side = x.shape[2] // patch
    x = tokens(w.conv(x, "patch_embed.projection", dim, patch, bias=True, stride=patch))
    x = torch.cat([w.parameter("cls_token", 1, 1, dim).expand(len(x), -1, -1), x], 1)
    if absolute:
        x = x + w.parameter("pos_embed", 1, x.shape[1], dim, scale=0.5)
    for i in range(depth):
        name = f"layers.{i}"
        y = w.layer_norm(x, f"{name}.ln1", 1e-6)
        qkv = w.linear(y, f"{name}.attn.qkv", 3 * dim, bias=absolute)
        if not absolute:
            zeros = torch.zeros(dim)
            qkv = qkv + torch.cat([w.parameter(f"{name}.attn.q_bias", dim, scale=0.1), zeros,
                                   w.parameter(f"{name}.attn.v_bias", dim, scale=0.1)])  # fmt: skip
        q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / (dim / heads) ** 0.5
        if relative:
            table = w.parameter(
                f"{name}.attn.relative_position_bias_table", (2 * side - 1) ** 2 + 3, heads
            )
            scores = scores + beit_bias(table, side)
        y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        gamma = w.parameter(f"{name}.gamma_1", dim, scale=0.2, shift=0.5)
        x = x + gamma * w.linear(y, f"{name}.attn.proj", dim)
        gamma = w.parameter(f"{name}.gamma_2", dim, scale=0.2, shift=0.5)
        x = x + gamma * mlp(w, w.layer_norm(x, f"{name}.ln2", 1e-6), name)
    x = x[:, 1:].mean(1) if norm == "fc_norm" else x[:, 0]
    return w.linear(w.layer_norm(x, norm, 1e-6), "head", CLASSES)


def beit_bias(table, side):
    """(heads, 1 + L, 1 + L): by offset between patches; three numbers for the class token."""
    bias = torch.zeros(table.shape[1], side**2 + 1, side**2 + 1)
    bias[:, 0, :] = table[-3][:, None]
    bias[:, :, 0] = table[-2][:, None]
    bias[:, 0, 0] = table[-1]
    bias[:, 1:, 1:] = offset_bias(table, side, side, side)
    return bias


def offset_bias(table, window, height, width):
    """(heads, L, L): ``table`` by row and column offset of the query from the key."""
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    index = (rows[:, None] - rows + window - 1) * (2 * window - 1) + (
        columns[:, None] - columns + window - 1
    )
    inside = (index >= 0) & (index < (2 * window - 1) ** 2)
    return table[index.clamp(0, (2 * window - 1) ** 2 - 1)].permute(2, 0, 1) * inside


def windows_of(size, window, shift):
    """For every pixel of a size x size map the window it is in, after a cyclic shift."""
    moved = torch.arange(size) - shift
    # What was shifted around the edge sees only what came around with it.
    return torch.where(moved < 0, -1, moved // window)


def swin(w, x, dim=8, depths=(2, 2, 1, 1), heads=(1, 1, 2, 2), window=2):
    """Liu et al. 2021, by full attention under a mask instead of windows."""
    x = w.conv(x, "patch_embed.projection", dim, 4, bias=True, stride=4)
    side = x.shape[2]
    x = w.layer_norm(tokens(x), "patch_embed.norm")
    for stage, depth in enumerate(depths):
        for i in range(depth):
            name = f"stages.{stage}.blocks.{i}"
            line = windows_of(side, window, window // 2 if i % 2 else 0)
            place = (line[:, None] * 1000 + line).flatten()
            y = w.layer_norm(x, f"{name}.norm1")
            q, k, v = w.linear(y, f"{name}.attn.w_msa.qkv", 3 * dim).unflatten(
                -1, (3, heads[stage], -1)).permute(2, 0, 3, 1, 4)  # fmt: skip
            scores = q @ k.transpose(-1, -2) / (dim / heads[stage]) ** 0.5
            table = w.parameter(f"{name}.attn.w_msa.relative_position_bias_table",
                                (2 * window - 1) ** 2, heads[stage])  # fmt: skip
            scores = scores + offset_bias(table, window, side, side)
            scores = scores.masked_fill(place[:, None] != place, float("-inf"))
            y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + w.linear(y, f"{name}.attn.w_msa.proj", dim)
            x = x + mlp(w, w.layer_norm(x, f"{name}.norm2"), name)
        if stage < 3:
            # A 2x2 patch's numbers channel by channel, as mmseg's unfolding has them.
            y = image(x, side).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
            x = y.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
            x = w.layer_norm(x, f"stages.{stage}.downsample.norm")
            x = w.linear(x, f"stages.{stage}.downsample.reduction", 2 * dim, bias=False)
            side, dim = side // 2, 2 * dim
    return w.linear(w.layer_norm(x, "norm").mean(1), "head", CLASSES)


def reduced_attention(w, x, name, side, heads, ratio, eps):
    """Keys and values of a map that a strided convolution has made smaller."""
    keys = x
    if ratio > 1:
        keys = w.conv(image(x, side), f"{name}.sr", x.shape[-1], ratio, bias=True, stride=ratio)
        keys = w.layer_norm(tokens(keys), f"{name}.norm", eps)
    return w.attention(x, keys, f"{name}.attn", heads)


def mit(w, x, dim=8, heads=(1, 2, 5, 8), ratios=(8, 4, 2, 1)):
    """Xie et al. 2021 (SegFormer's encoder), one block a stage."""
    for stage in range(4):
        kernel, stride = (7, 4) if stage == 0 else (3, 2)
        channels = dim * heads[stage]
        x = w.conv(x, f"layers.{stage}.0.projection", channels, kernel, bias=True, stride=stride,
                   padding=kernel // 2)  # fmt: skip
        side = x.shape[2]
        x = w.layer_norm(tokens(x), f"layers.{stage}.0.norm", 1e-6)
        name = f"layers.{stage}.1.0"
        y = w.layer_norm(x, f"{name}.norm1", 1e-6)
        x = x + reduced_attention(w, y, f"{name}.attn", side, heads[stage], ratios[stage], 1e-6)
        y = image(w.layer_norm(x, f"{name}.norm2", 1e-6), side)
        y = w.conv(y, f"{name}.ffn.layers.0", 4 * channels, 1, bias=True)
        y = w.conv(y, f"{name}.ffn.layers.1", 4 * channels, 3, bias=True, padding=1,
                   groups=4 * channels)  # fmt: skip
        x = x + tokens(w.conv(F.gelu(y), f"{name}.ffn.layers.4", channels, 1, bias=True))
        x = w.layer_norm(x, f"layers.{stage}.2", 1e-6)
        last = x
        x = image(x, side)
    return w.linear(last.mean(1), "head", CLASSES)


def twins(w, x, dims=(8, 16, 16, 16), heads=(1, 2, 2, 2), ratios=(4, 2, 1, 1), window=None):
    """Chu et al. 2021: PCPVT, and with ``window`` SVT, whose even blocks attend in windows."""
    for stage in range(4):
        kernel, dim = (4 if stage == 0 else 2), dims[stage]
        x = w.conv(x, f"patch_embeds.{stage}.projection", dim, kernel, bias=True, stride=kernel)
        side = x.shape[2]
        x = w.layer_norm(tokens(x), f"patch_embeds.{stage}.norm")
        for i in range(2):
            name = f"layers.{stage}.{i}"
            y = w.layer_norm(x, f"{name}.norm1")
            if window and i % 2 == 0:
                q, k, v = w.linear(y, f"{name}.attn.qkv", 3 * dim).unflatten(
                    -1, (3, heads[stage], -1)).permute(2, 0, 3, 1, 4)  # fmt: skip
                line = windows_of(side, window, 0)
                place = (line[:, None] * 1000 + line).flatten()
                scores = q @ k.transpose(-1, -2) / (dim / heads[stage]) ** 0.5
                scores = scores.masked_fill(place[:, None] != place, float("-inf"))
                y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
                x = x + w.linear(y, f"{name}.attn.proj", dim)
            else:
                x = x + reduced_attention(w, y, f"{name}.attn", side, heads[stage], ratios[stage],
                                          1e-5)  # fmt: skip
            x = x + mlp(w, w.layer_norm(x, f"{name}.norm2"), name)
            if i == 0:
                y = image(x, side)
                y = y + w.conv(y, f"position_encodings.{stage}.proj", dim, 3, bias=True, padding=1,
                               groups=dim)  # fmt: skip
                x = tokens(y)
        last = x
        x = image(x, side)
    return w.linear(w.layer_norm(last, "norm", 1e-6).mean(1), "head", CLASSES)


def mscan(w, x, dims=(8, 8, 16, 16), ratio=4):
    """Guo et al. 2022 (SegNeXt's encoder), one block a stage."""
    for stage, dim in enumerate(dims, 1):
        name = f"patch_embed{stage}"
        if stage == 1:
            x = w.conv(x, f"{name}.proj.0", dim // 2, 3, bias=True, stride=2, padding=1)
            x = F.gelu(w.batch_norm(x, f"{name}.proj.1"))
            x = w.conv(x, f"{name}.proj.3", dim, 3, bias=True, stride=2, padding=1)
            x = w.batch_norm(x, f"{name}.proj.4")
        else:
            x = w.conv(x, f"{name}.proj", dim, 3, bias=True, stride=2, padding=1)
            x = w.batch_norm(x, f"{name}.norm")
        name = f"block{stage}.0"
        kept = w.batch_norm(x, f"{name}.norm1")
        y = F.gelu(w.conv(kept, f"{name}.attn.proj_1", dim, 1, bias=True))
        gate = f"{name}.attn.spatial_gating_unit"
        a = w.conv(y, f"{gate}.conv0", dim, 5, bias=True, padding=2, groups=dim)
        total = a
        for i, k in enumerate((7, 11, 21)):
            b = w.conv(a, f"{gate}.conv{i}_1", dim, (1, k), bias=True, padding=(0, k // 2),
                       groups=dim)  # fmt: skip
            total = total + w.conv(b, f"{gate}.conv{i}_2", dim, (k, 1), bias=True,
                                   padding=(k // 2, 0), groups=dim)  # fmt: skip
        y = y * w.conv(total, f"{gate}.conv3", dim, 1, bias=True)
        y = w.conv(y, f"{name}.attn.proj_2", dim, 1, bias=True) + kept
        x = x + w.parameter(f"{name}.layer_scale_1", dim)[:, None, None] * y
        y = w.conv(w.batch_norm(x, f"{name}.norm2"), f"{name}.mlp.fc1", ratio * dim, 1, bias=True)
        y = w.conv(y, f"{name}.mlp.dwconv", ratio * dim, 3, bias=True, padding=1,
                   groups=ratio * dim)  # fmt: skip
        y = w.conv(F.gelu(y), f"{name}.mlp.fc2", dim, 1, bias=True)
        x = x + w.parameter(f"{name}.layer_scale_2", dim)[:, None, None] * y
        last = w.layer_norm(tokens(x), f"norm{stage}")
        x = image(last, x.shape[2])
    return w.linear(last.mean(1), "head", CLASSES)


def convnext(w, x, dims=(4, 8, 8, 16)):
    """Liu et al. 2022, one block a stage, MMPreTrain's names without its prefixes."""

    def norm(x, name):
        return w.layer_norm(x.permute(0, 2, 3, 1), name, 1e-6).permute(0, 3, 1, 2)

    for stage, dim in enumerate(dims):
        name = f"downsample_layers.{stage}"
        if stage == 0:
            x = norm(w.conv(x, f"{name}.0", dim, 4, bias=True, stride=4), f"{name}.1")
        else:
            x = w.conv(norm(x, f"{name}.0"), f"{name}.1", dim, 2, bias=True, stride=2)
        name = f"stages.{stage}.0"
        y = w.conv(x, f"{name}.depthwise_conv", dim, 7, bias=True, padding=3, groups=dim)
        y = w.layer_norm(y.permute(0, 2, 3, 1), f"{name}.norm", 1e-6)
        y = w.linear(F.gelu(w.linear(y, f"{name}.pointwise_conv1", 4 * dim)),
                     f"{name}.pointwise_conv2", dim)  # fmt: skip
        gamma = w.parameter(f"{name}.gamma", dim)
        x = x + (gamma * y).permute(0, 3, 1, 2)
    return w.linear(w.layer_norm(x.mean((2, 3)), "norm3", 1e-6), "head.fc", CLASSES)
