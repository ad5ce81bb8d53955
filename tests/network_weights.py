"""Layers that make up their weights when they first run: networks written once more, for tests.

A forward pass written with them is a network of its own, names of its file included. Nothing of
mmseg or mmasg is used.
"""

import torch
import torch.nn.functional as F


class Weights(dict):
    """State dict that a forward pass fills on its first run, and uses on all others."""

    def __init__(self, seed=0):
        super().__init__()
        self._generator = torch.Generator().manual_seed(seed)

    def parameter(self, name, *shape, scale=1.0, shift=0.0):
        if name not in self:
            self[name] = shift + scale * torch.randn(shape, generator=self._generator)
        return self[name]

    def conv(self, x, name, channels, kernel, bias=False, groups=1, gain=1.0, **options):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        fan_in = x.shape[1] // groups * kernel[0] * kernel[1]
        weight = self.parameter(
            f"{name}.weight", channels, x.shape[1] // groups, *kernel, scale=gain * fan_in**-0.5
        )
        bias = self.parameter(f"{name}.bias", channels, scale=0.1) if bias else None
        return F.conv2d(x, weight, bias, groups=groups, **options)

    def same_conv(self, x, name, channels, kernel, stride=1, dilation=1, **options):
        """TensorFlow's SAME padding: one pixel more at the end where it is odd."""
        pads = []
        for size in (x.shape[3], x.shape[2]):
            pad = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            pads += [pad // 2, pad - pad // 2]
        x = F.pad(x, pads)
        return self.conv(x, name, channels, kernel, stride=stride, dilation=dilation, **options)

    def batch_norm(self, x, name, eps=1e-5):
        channels = x.shape[1]
        if f"{name}.weight" not in self:
            # Statistics of what really comes: networks without training would vanish or explode.
            self[f"{name}.running_mean"] = x.mean((0, 2, 3))
            self[f"{name}.running_var"] = x.var((0, 2, 3)) + 0.1
            self[f"{name}.num_batches_tracked"] = torch.tensor(1)
        weight = self.parameter(f"{name}.weight", channels, scale=0.2, shift=1.0)
        bias = self.parameter(f"{name}.bias", channels, scale=0.2)
        mean, var = self[f"{name}.running_mean"], self[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    def layer_norm(self, x, name, eps=1e-5):
        """Over the last axis."""
        weight = self.parameter(f"{name}.weight", x.shape[-1], scale=0.2, shift=1.0)
        bias = self.parameter(f"{name}.bias", x.shape[-1], scale=0.2)
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps)

    def linear(self, x, name, channels, bias=True):
        weight = self.parameter(f"{name}.weight", channels, x.shape[-1], scale=x.shape[-1] ** -0.5)
        return F.linear(x, weight, self.parameter(f"{name}.bias", channels, scale=0.1)
                        if bias else None)  # fmt: skip

    def attention(self, queries, keys, name, heads, bias=True):
        """``nn.MultiheadAttention`` under its names, tokens (N, L, C)."""
        channels = queries.shape[-1]
        weight = self.parameter(
            f"{name}.in_proj_weight", 3 * channels, channels, scale=2 * channels**-0.5
        )
        shift = self.parameter(f"{name}.in_proj_bias", 3 * channels, scale=0.1) if bias else 0
        parts = [F.linear(x, weight) + shift for x in (queries, keys)]
        q, k, v = (
            parts[i > 0][..., i * channels : (i + 1) * channels]
            .unflatten(-1, (heads, -1))
            .transpose(1, 2)
            for i in range(3)
        )
        scores = (q @ k.transpose(-1, -2)) / (channels / heads) ** 0.5
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        out = self.parameter(f"{name}.out_proj.weight", channels, channels, scale=channels**-0.5)
        return F.linear(mixed, out, self.parameter(f"{name}.out_proj.bias", channels, scale=0.1))
