"""VGG-16 as FCN8s uses it: ceil-mode pooling and, as in the original, 100 pixels of padding."""

import re
from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from .imagenet_init import ImageNetInitModule, pretrained_cfg

# Channels and number of 3x3 convolutions of each of the five stages.
_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
CONV_NAMES = tuple(
    f"conv{stage}_{conv}" for stage, (_, n) in enumerate(_STAGES, 1) for conv in range(1, n + 1)
)
# Positions of the convolutions in torchvision's `features`, where ReLUs and pools count too.
_TORCHVISION = dict(zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), CONV_NAMES, strict=True))
_CLASSIFIER = re.compile(r"(classifier\.[036]|fc[678])\.(weight|bias)")


def rename_vgg16(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions of a VGG-16 ImageNet file -> names of :class:`VGG16`.

    Args:
        weights: Tensors under torchvision's names (``features.0.weight``, which
            ``open-mmlab://vgg16_caffe`` has too) or the original Caffe names
            (``conv1_1.weight``). Names that are neither are passed on as they are.

    Returns:
        The same tensors as ``conv1_1.weight`` ... ``conv5_3.bias``, without the classifier
        (``classifier.*`` or ``fc6``, ``fc7``, ``fc8``).
    """
    renamed = {}
    for name, value in weights.items():
        if _CLASSIFIER.fullmatch(name):
            continue
        match = re.fullmatch(r"features\.(\d+)\.(weight|bias)", name)
        if match and int(match[1]) in _TORCHVISION:
            name = f"{_TORCHVISION[int(match[1])]}.{match[2]}"
        renamed[name] = value
    return renamed


@MODELS.register_module()
class VGG16(ImageNetInitModule):
    """The thirteen convolutions of VGG-16 (Simonyan and Zisserman, ICLR 2015) and five pools.

    Convolutions are called ``conv1_1`` ... ``conv5_3``. Pools are 2x2 in ceil mode, as in FCN8s
    (Long, Shelhamer, Darrell, PAMI 2017).

    Args:
        out_indices: Which maps to return, increasing: 1..5 the pools (strides 2 to 32), 0 the
            input itself. The default is what :class:`FCN8sHead` takes: the input, whose size its
            output has, pool3, pool4, pool5. The last one, pool5, is what the ImageNet classifier
            sees.
        first_padding: Padding of conv1_1, in pixels; the other convolutions pad by 1. 100 as in
            FCN8s, 1 as in ImageNet classification.
        pretrained: Shorthand for ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a VGG-16 ImageNet file of
            torchvision, of ``open-mmlab://vgg16_caffe`` or with the Caffe names. Loading is
            strict. (Caffe weights want BGR input without division by a standard deviation.)

    Raises:
        ValueError: If ``out_indices`` is empty, not increasing or outside 0..5, or
            ``first_padding`` is below 1.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (0, 3, 4, 5),
        first_padding: int = 100,
        pretrained: str | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(pretrained_cfg(pretrained, init_cfg))
        indices = tuple(out_indices)
        if not indices or list(indices) != sorted(set(indices) & set(range(6))):
            raise ValueError(
                "out_indices of VGG16 must be increasing integers in 0..5 "
                f"(0 the input, 1..5 the pools), got {out_indices!r}"
            )
        if not isinstance(first_padding, int) or first_padding < 1:
            raise ValueError(
                f"first_padding of VGG16 must be an integer of at least 1 pixel "
                f"(100 as in FCN8s, 1 as in ImageNet classification), got {first_padding!r}"
            )
        self.out_indices = indices
        in_channels = 3
        for stage, (channels, convs) in enumerate(_STAGES, 1):
            for conv in range(1, convs + 1):
                padding = first_padding if (stage, conv) == (1, 1) else 1
                self.add_module(
                    f"conv{stage}_{conv}", nn.Conv2d(in_channels, channels, 3, padding=padding)
                )
                in_channels = channels

    def rename_imagenet(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of the ImageNet file -> ours, see :func:`rename_vgg16`."""
        return rename_vgg16(weights)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of an image batch.

        Args:
            x: (N, 3, H, W), normalised as the ImageNet weights want it.

        Returns:
            The maps of ``out_indices``: pool i has 64, 128, 256, 512, 512 channels and, per side,
            ``n_i = ceil(n_(i-1) / 2)`` pixels from ``n_0 = H + 2 (first_padding - 1)``.
        """
        outs = [x] if 0 in self.out_indices else []
        for stage, (_, convs) in enumerate(_STAGES, 1):
            if stage > self.out_indices[-1]:
                break
            for conv in range(1, convs + 1):
                x = F.relu(getattr(self, f"conv{stage}_{conv}")(x), inplace=True)
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            if stage in self.out_indices:
                outs.append(x)
        return tuple(outs)
