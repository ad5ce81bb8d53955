"""The classifiers that ImageNet files carry: what turns backbone features into 1,000 logits."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: A LayerNorm's epsilon in the files that put a norm before the pooling (Swin).
_NORM_EPS = 1e-5


class LinearClassifier(nn.Module):
    """Global average pooling, optionally a LayerNorm before it, and one linear layer.

    ResNet, MiT and EfficientNet have no norm of their own there; Swin normalises its last
    stage's tokens first.

    Args:
        weight: (num_classes, C).
        bias: (num_classes,).
        norm_weight: (C,), scale of the LayerNorm over channels; None: no norm.
        norm_bias: (C,), its shift.

    Shape:
        - input: (N, C, H, W), or tokens (N, L, C).
        - output: (N, num_classes).
    """

    #: (linear layer, norm) prefixes under which ImageNet files keep this form.
    names: ClassVar[tuple[str, ...]] = ("fc", "_fc", "head.fc", "head", "classifier", "cls_head")

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        norm_weight: Tensor | None = None,
        norm_bias: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().float().clone())
        self.register_buffer("bias", bias.detach().float().clone())
        self.register_buffer("norm_weight", _copy(norm_weight))
        self.register_buffer("norm_bias", _copy(norm_bias))

    weight: Tensor
    bias: Tensor
    norm_weight: Tensor | None
    norm_bias: Tensor | None

    @property
    def in_channels(self) -> int:
        """Channels of the feature map that it takes."""
        return self.weight.shape[1]

    def forward(self, features: Tensor) -> Tensor:
        """Return ImageNet logits."""
        features = contiguous_gradient(features)
        tokens = features.flatten(2).transpose(1, 2) if features.ndim == 4 else features
        if self.norm_weight is not None:
            tokens = F.layer_norm(
                tokens, tokens.shape[-1:], self.norm_weight, self.norm_bias, _NORM_EPS
            )
        return F.linear(tokens.mean(dim=1), self.weight, self.bias)


class VGGClassifier(nn.Module):
    """VGG-16's: adaptive 7x7 average pooling and three linear layers with ReLU, no dropout.

    Args:
        weights: The three layers' weights, (4096, 512 * 49), (4096, 4096), (num_classes, 4096).
        biases: Their biases.

    Shape:
        - input: (N, 512, H, W).
        - output: (N, num_classes).
    """

    def __init__(self, weights: list[Tensor], biases: list[Tensor]) -> None:
        super().__init__()
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            self.register_buffer(f"weight{i}", weight.detach().float().flatten(1).clone())
            self.register_buffer(f"bias{i}", bias.detach().float().clone())

    @property
    def in_channels(self) -> int:
        """Channels of the feature map that it takes."""
        return self.get_buffer("weight0").shape[1] // 49

    def forward(self, features: Tensor) -> Tensor:
        """Return ImageNet logits."""
        x = F.adaptive_avg_pool2d(features, 7).flatten(1)
        for i in range(3):
            x = F.linear(x, self.get_buffer(f"weight{i}"), self.get_buffer(f"bias{i}"))
            x = F.relu(x) if i < 2 else x
        return x


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


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().float().clone()


#: The three linear layers of a VGG file: torchvision's names, and caffe-style names.
_VGG_NAMES = (("classifier.0", "classifier.3", "classifier.6"), ("fc6", "fc7", "fc8"))


def build_classifier(
    state_dict: dict[str, Tensor], source: str, with_norm: bool, prefix: str | None = None
) -> nn.Module:
    """Read the classifier that belongs to an ImageNet file.

    Args:
        state_dict: The file's tensors, classifier included.
        source: The file's name, for error messages.
        with_norm: Whether the network normalises its last features before the pooling and the
            backbone under us does not (Swin).
        prefix: Name of the linear layer in the file; None: found by the usual names.

    Returns:
        A frozen module in eval mode that maps features to logits.

    Raises:
        ValueError: The file has no classifier, or one of a form that is not known.
    """
    classifier: nn.Module
    vgg = next((n for n in _VGG_NAMES if all(f"{k}.weight" in state_dict for k in n)), None)
    if vgg is not None and prefix is None:
        classifier = VGGClassifier(
            [state_dict[f"{k}.weight"] for k in vgg], [state_dict[f"{k}.bias"] for k in vgg]
        )
    else:
        names = (prefix,) if prefix is not None else LinearClassifier.names
        found = next((n for n in names if _is_linear(state_dict, n)), None)
        if found is None:
            raise ValueError(_no_classifier(state_dict, source, prefix))
        norms: list[Tensor | None] = [None, None]
        if with_norm:
            if "norm.weight" not in state_dict or "norm.bias" not in state_dict:
                raise ValueError(
                    f"ImageNetConsistencyHook: {source} has a classifier '{found}' but no "
                    "'norm.weight' and 'norm.bias', which this backbone applies before the "
                    "pooling. Name a checkpoint of the whole ImageNet network by "
                    "classifier=dict(checkpoint=...), or use loss=dict(type='FeatureL2Loss')"
                )
            norms = [state_dict["norm.weight"], state_dict["norm.bias"]]
        weight = state_dict[f"{found}.weight"]
        bias = state_dict.get(f"{found}.bias", torch.zeros(weight.shape[0]))
        classifier = LinearClassifier(weight.flatten(1), bias, *norms)
    classifier.requires_grad_(False)
    classifier.eval()
    return classifier


def _is_linear(state_dict: dict[str, Tensor], name: str) -> bool:
    weight = state_dict.get(f"{name}.weight")
    return weight is not None and (weight.ndim == 2 or weight.shape[2:] == (1, 1))


def _no_classifier(state_dict: dict[str, Tensor], source: str, prefix: str | None) -> str:
    what = f"no linear layer '{prefix}'" if prefix else "no ImageNet classifier that is known"
    last = [k for k in state_dict if k.endswith("weight")][-3:]
    return (
        f"ImageNetConsistencyHook: {source} carries {what} (looked for "
        f"{', '.join(f'{n}.weight' for n in LinearClassifier.names)} and VGG's three layers; its "
        f"last weights are {', '.join(last) or 'none'}). Ways out: "
        "classifier=dict(checkpoint='file of the same network with its classifier', "
        "prefix='name of its linear layer'); or a loss that needs no classifier, "
        "loss=dict(type='FeatureL2Loss') or loss=dict(type='FeatureCosineLoss')"
    )
