"""What turns backbone features into ImageNet logits: the ends of ImageNet networks, frozen."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BATCH_NORM_EPS = 1e-5


class FrozenEnd(nn.Module):
    """Keeps weights as float32 buffers: never trained, in no optimizer, moved with the module."""

    #: Channels of the feature that it takes.
    in_channels: int

    def keep(self, name: str, tensor: Tensor | None) -> None:
        """Register a copy of ``tensor``; None stays None."""
        self.register_buffer(name, None if tensor is None else tensor.detach().float().clone())


class LinearClassifier(FrozenEnd):
    """Pooling over positions, a LayerNorm before or behind it where there is one, a linear layer.

    Args:
        weight: (num_classes, C).
        bias: (num_classes,).
        norm: Weight and bias of the LayerNorm over channels, (C,) each; None: no norm.
        norm_first: Whether the norm stands before the pooling (Swin) or behind it (BEiT). It is
            the same where a single token is taken.
        pool: ``'mean'``: the mean over all positions. ``'token'``: the token at the front (the
            class token of ViT). ``'patches'``: the mean of all but that one.
        eps: The norm's epsilon.

    Shape:
        - input: (N, C, H, W), tokens (N, L, C), or already pooled (N, C).
        - output: (N, num_classes).
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        norm: tuple[Tensor, Tensor] | None = None,
        norm_first: bool = True,
        pool: str = "mean",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.keep("weight", weight)
        self.keep("bias", bias)
        norm_weight, norm_bias = norm or (None, None)
        self.keep("norm_weight", norm_weight)
        self.keep("norm_bias", norm_bias)
        self.norm_first = norm_first
        self.pool = pool
        self.eps = eps
        self.in_channels = weight.shape[1]

    weight: Tensor
    bias: Tensor
    norm_weight: Tensor | None
    norm_bias: Tensor | None

    def forward(self, features: Tensor) -> Tensor:
        """Return ImageNet logits."""
        x = contiguous_gradient(features)
        if x.ndim == 4:
            x = x.flatten(2).transpose(1, 2)
        elif x.ndim == 2:
            x = x.unsqueeze(1)
        if self.norm_first:
            x = self._normalise(x)
        if self.pool == "token":
            x = x[:, 0]
        else:
            x = (x[:, 1:] if self.pool == "patches" else x).mean(dim=1)
        if not self.norm_first:
            x = self._normalise(x)
        return F.linear(x, self.weight, self.bias)

    def _normalise(self, x: Tensor) -> Tensor:
        if self.norm_weight is None:
            return x
        return F.layer_norm(x, x.shape[-1:], self.norm_weight, self.norm_bias, self.eps)


class StackedClassifier(FrozenEnd):
    """Adaptive average pooling and several linear layers with activations, without dropout.

    VGG-16: pooling to 7x7, three layers, ReLU. MobileNetV3: to 1x1, two layers, Hardswish.

    Args:
        weights: The layers' weights, (C_out, C_in) or 1x1 and 7x7 convolutions'; the first takes
            ``C * size * size`` numbers.
        biases: Their biases.
        size: Side of the pooled map.
        activation: Applied between the layers.

    Shape:
        - input: (N, C, H, W).
        - output: (N, num_classes).
    """

    def __init__(
        self,
        weights: list[Tensor],
        biases: list[Tensor],
        size: int = 7,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.activation = activation or nn.ReLU()
        self.depth = len(weights)
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            self.keep(f"weight{i}", weight.flatten(1))
            self.keep(f"bias{i}", bias)
        self.in_channels = self.get_buffer("weight0").shape[1] // size**2

    def forward(self, features: Tensor) -> Tensor:
        """Return ImageNet logits."""
        x = F.adaptive_avg_pool2d(features, self.size).flatten(1)
        for i in range(self.depth):
            x = F.linear(x, self.get_buffer(f"weight{i}"), self.get_buffer(f"bias{i}"))
            x = self.activation(x) if i < self.depth - 1 else x
        return x


class ConvClassifier(FrozenEnd):
    """A 1x1 convolution with BatchNorm and an activation before the classifier proper.

    The ends of MobileNetV2 (ReLU6) and STDC (ReLU, squared), whose last convolutions
    MMSegmentation's backbones leave out.

    Args:
        conv: (C', C, 1, 1), without bias.
        norm: The BatchNorm's weight, bias, running mean and running variance, (C',) each.
        activation: Applied to its output.
        classifier: What takes the map of C' channels.

    Shape:
        - input: (N, C, H, W).
        - output: (N, num_classes).
    """

    def __init__(
        self,
        conv: Tensor,
        norm: list[Tensor],
        activation: Callable[[Tensor], Tensor],
        classifier: nn.Module,
    ) -> None:
        super().__init__()
        weight, bias, mean, var = (t.detach().double() for t in norm)
        scale = weight / (var + _BATCH_NORM_EPS).sqrt()
        self.keep("weight", conv.double() * scale[:, None, None, None])
        self.keep("bias", bias - mean * scale)
        self.activation = activation
        self.classifier = classifier
        self.in_channels = conv.shape[1]

    weight: Tensor
    bias: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return ImageNet logits."""
        x = F.conv2d(contiguous_gradient(features), self.weight, self.bias)
        return self.classifier(self.activation(x))


def squared_relu(x: Tensor) -> Tensor:
    """Return ``max(x, 0) ** 2``."""
    return x.clamp(min=0).square()


def contiguous_gradient(features: Tensor) -> Tensor:
    """Return the features, whose gradient will come back in their own memory layout.

    PyTorch's CPU backward of convolution, BatchNorm in eval mode and ReLU6 is wrong for a batch
    of one image when the gradient arrives with the transposed strides that tokens give it.
    """
    if features.requires_grad:
        last = features.ndim == 4 and not features.is_contiguous()
        layout = torch.channels_last if last else torch.contiguous_format
        features.register_hook(lambda grad: grad.contiguous(memory_format=layout))
    return features
