"""FCN8s "at once": scores of three depths of VGG-16, fused and enlarged to the input's size."""

from collections.abc import Mapping, Sequence

import torch
from mmengine.registry import MODELS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn
from torch.nn import functional as F

from .imagenet_init import ImageNetInitModule, pretrained_cfg

# Convolutionalised layers of the ImageNet classifier: our name, its names, its kernel's shape.
_CLASSIFIER = (
    ("fc6", ("classifier.0", "fc6"), (4096, 512, 7, 7)),
    ("fc7", ("classifier.3", "fc7"), (4096, 4096, 1, 1)),
)


def rename_vgg16_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """First two layers of a VGG-16 classifier -> the convolutions fc6 and fc7 of FCN8s.

    Args:
        weights: A VGG-16 ImageNet file under torchvision's (``classifier.0``, ``classifier.3``)
            or Caffe's names (``fc6``, ``fc7``); matrices or already convolutions.

    Returns:
        ``fc6.weight`` (4096, 512, 7, 7), ``fc7.weight`` (4096, 4096, 1, 1) and their biases, as
        far as the file has them; nothing else. A weight of another size keeps its shape, for the
        loader to complain about.
    """
    renamed = {}
    for ours, theirs, shape in _CLASSIFIER:
        for name in theirs:
            weight = weights.get(f"{name}.weight")
            if weight is not None:
                fits = weight.numel() == torch.Size(shape).numel()
                renamed[f"{ours}.weight"] = weight.reshape(shape) if fits else weight
            if f"{name}.bias" in weights:
                renamed[f"{ours}.bias"] = weights[f"{name}.bias"]
    return renamed


def bilinear_kernel(channels: int, size: int) -> Tensor:
    """Kernel of a transposed convolution that enlarges every channel bilinearly.

    Args:
        channels: Number of channels C.
        size: Side K of the kernel, twice the stride.

    Returns:
        (C, C, K, K), zero off the channels' diagonal.
    """
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = 1 - (torch.arange(size, dtype=torch.float64) - centre).abs() / factor
    kernel = torch.zeros(channels, channels, size, size)
    diagonal = torch.arange(channels)
    kernel[diagonal, diagonal] = torch.outer(line, line).float()
    return kernel


def _meet(skip: Tensor, skip_from: int, up: Tensor, up_from: int) -> Tensor:
    """Sum of two maps, each from an offset on, over the area that both cover."""
    skip = skip[:, :, skip_from:, skip_from:]
    up = up[:, :, up_from:, up_from:]
    height, width = (min(a, b) for a, b in zip(skip.shape[2:], up.shape[2:], strict=True))
    return up[:, :, :height, :width] + skip[:, :, :height, :width]


@MODELS.register_module()
class FCN8sHead(ImageNetInitModule, BaseDecodeHead):
    """FCN8s "at once" on :class:`VGG16` (Long, Shelhamer, Darrell, PAMI 2017).

    fc6 (7x7) and fc7 (1x1), each with ReLU and channel dropout, are VGG-16's ImageNet classifier
    as convolutions. ``score_fr`` on fc7, ``score_pool4`` on 0.01 x pool4 and ``score_pool3`` on
    0.0001 x pool3 are 1x1 convolutions to the classes; ``upscore2``, ``upscore_pool4`` (4x4,
    stride 2) and ``upscore8`` (16x16, stride 8) are transposed convolutions without bias. The
    output has the input's size, so MMSegmentation's own resizing leaves it as it is.

    Args:
        in_channels: Channels of the input maps: the image, pool3, pool4, pool5.
        channels: Channels of fc6 and fc7; 4096 to load ImageNet's.
        num_classes: Number of classes.
        in_index: Positions of the four maps among the backbone's outputs.
        first_padding: The backbone's ``first_padding``. 100: fc6 does not pad and maps are cropped
            from offsets 5 (pool4's score), 9 (pool3's) and 31 (output), as published. 1: fc6 pads
            by 3 and the enlarged maps are cropped from half their surplus, offsets 1, 1 and 4, so
            that every layer stays centred on the image; layers have the same shapes.
        dropout_ratio: Of the channel dropout after fc6 and fc7.
        pretrained: Shorthand for ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a VGG-16 ImageNet file *with
            its classifier*, which fills fc6 and fc7. Scoring layers start at 0 and transposed
            convolutions as bilinear enlargement in any case.
        **kwargs: As in MMSegmentation's ``BaseDecodeHead`` (``loss_decode``, ``sampler``, ...).

    Raises:
        ValueError: If ``first_padding`` is neither 100 nor 1, ``in_index`` has not four entries,
            or ``input_transform`` is given.
    """

    imagenet_parts = ("fc6.", "fc7.")

    def __init__(
        self,
        in_channels: Sequence[int] = (3, 256, 512, 512),
        channels: int = 4096,
        *,
        num_classes: int = 19,
        in_index: Sequence[int] = (0, 1, 2, 3),
        first_padding: int = 100,
        dropout_ratio: float = 0.5,
        pretrained: str | None = None,
        init_cfg: dict | list | None = None,
        **kwargs,
    ) -> None:
        if first_padding not in (1, 100):
            raise ValueError(
                "first_padding of FCN8sHead must be 100 (as published) or 1, the same as the "
                f"backbone's: crops are only defined for these, got {first_padding!r}"
            )
        if len(in_index) != 4 or len(in_channels) != 4:
            raise ValueError(
                "FCN8sHead takes four maps (the image, pool3, pool4, pool5), got "
                f"in_index={in_index!r}, in_channels={in_channels!r}"
            )
        if kwargs.setdefault("input_transform", "multiple_select") != "multiple_select":
            raise ValueError("FCN8sHead chooses its maps by in_index: drop input_transform")
        super().__init__(
            in_channels,
            channels,
            num_classes=num_classes,
            in_index=in_index,
            dropout_ratio=dropout_ratio,
            init_cfg=pretrained_cfg(pretrained, init_cfg),
            **kwargs,
        )
        # The base class makes a final 1x1 convolution that this network does not have.
        del self.conv_seg
        self.first_padding = first_padding
        _, pool3, pool4, pool5 = in_channels
        classes = self.out_channels
        self.fc6 = nn.Conv2d(pool5, channels, 7, padding=0 if first_padding == 100 else 3)
        self.fc7 = nn.Conv2d(channels, channels, 1)
        self.score_fr = nn.Conv2d(channels, classes, 1)
        self.score_pool4 = nn.Conv2d(pool4, classes, 1)
        self.score_pool3 = nn.Conv2d(pool3, classes, 1)
        self.upscore2 = nn.ConvTranspose2d(classes, classes, 4, stride=2, bias=False)
        self.upscore_pool4 = nn.ConvTranspose2d(classes, classes, 4, stride=2, bias=False)
        self.upscore8 = nn.ConvTranspose2d(classes, classes, 16, stride=8, bias=False)

    def rename_imagenet(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Classifier of the ImageNet file -> fc6 and fc7, see :func:`rename_vgg16_classifier`."""
        return rename_vgg16_classifier(weights)

    def init_weights(self) -> None:
        """Scoring layers to 0, transposed ones bilinear, fc6 and fc7 from ``init_cfg``."""
        if self.is_init:
            return
        with torch.no_grad():
            for score in (self.score_fr, self.score_pool4, self.score_pool3):
                for parameter in score.parameters():
                    parameter.zero_()
            for enlarge in (self.upscore2, self.upscore_pool4, self.upscore8):
                kernel = bilinear_kernel(self.out_channels, enlarge.kernel_size[0])
                enlarge.weight.copy_(kernel)
        super().init_weights()

    def _fully_connected(self, layer: nn.Module, x: Tensor) -> Tensor:
        x = F.relu(layer(x), inplace=True)
        return x if self.dropout is None else self.dropout(x)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits of the classes at the input's size.

        Args:
            inputs: The backbone's maps; by ``in_index`` the image (N, 3, H, W), pool3, pool4,
                pool5.

        Returns:
            (N, num_classes, H, W).

        Raises:
            ValueError: If the maps are not those of a backbone with the same ``first_padding``.
        """
        image, pool3, pool4, pool5 = self._transform_inputs(inputs)
        padded = self.first_padding == 100
        height, width = image.shape[2:]
        if (-(-height // 32) < pool5.shape[2]) != padded:
            raise ValueError(
                f"FCN8sHead has first_padding={self.first_padding}, but pool5 of an image "
                f"{height} pixels high has {pool5.shape[2]} rows: the backbone's first_padding "
                "differs; give both the same"
            )
        scores = self.score_fr(
            self._fully_connected(self.fc7, self._fully_connected(self.fc6, pool5))
        )
        crops = ((5, 0), (9, 0), 31) if padded else ((0, 1), (0, 1), 4)
        # The factors are those of the published network, whose skip branches start small.
        score4 = self.score_pool4(0.01 * pool4)
        score3 = self.score_pool3(0.0001 * pool3)
        skip_from, up_from = crops[0]
        scores = _meet(score4, skip_from, self.upscore2(scores), up_from)
        skip_from, up_from = crops[1]
        scores = _meet(score3, skip_from, self.upscore_pool4(scores), up_from)
        offset = crops[2]
        scores = self.upscore8(scores)
        return scores[:, :, offset : offset + height, offset : offset + width].contiguous()
