"""Layers of TensorFlow's mobile networks: SAME padding, its BatchNorm, inverted residuals."""

import torch.nn.functional as F
from torch import Tensor, nn

# TensorFlow counts the other way round: its momentum 0.99 is PyTorch's 0.01.
_BN_EPS, _BN_MOMENTUM = 1e-3, 0.01


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: output size is ``ceil(input / stride)``.

    The padding depends on the input's size and, at stride 2, is one larger on the right and at
    the bottom. Only then the input is copied into a padded one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        pad_h, pad_w = (
            max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            for size, kernel, stride, dilation in zip(
                x.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True
            )
        )
        if pad_h % 2 or pad_w % 2:
            x = F.pad(x, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2))
            pad_h = pad_w = 0
        padding = (pad_h // 2, pad_w // 2)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvBN(nn.Sequential):
    """Convolution without bias, BatchNorm and, where asked for, ReLU6."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        conv = SameConv2d if kernel_size > 1 else nn.Conv2d
        self.conv = conv(
            in_channels,
            channels,
            kernel_size,
            stride,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(channels, _BN_EPS, _BN_MOMENTUM)
        if act:
            self.act = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """Expand (1x1), filter (depthwise), project (1x1, linear); a shortcut where shapes agree."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvBN(in_channels, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = ConvBN(
            hidden, hidden, kernel_size, stride, groups=hidden, dilation=dilation
        )
        self.project = ConvBN(hidden, channels, act=False)
        self.shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        out = self.project(self.depthwise(self.expand(x)))
        return out + x if self.shortcut else out
