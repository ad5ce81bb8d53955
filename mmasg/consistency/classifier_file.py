"""Find an ImageNet network's end in the file of its weights, and build it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmasg.errors import first_of

from .classifiers import (
    ConvClassifier,
    FrozenEnd,
    LinearClassifier,
    StackedClassifier,
    squared_relu,
)
from .imagenet_networks import NetworkEnd

_KEY = "ImageNetConsistencyHook"
#: Names of a single linear layer, as ImageNet files have them.
_LINEAR = ("fc", "_fc", "head.fc", "head", "classifier", "cls_head", "head.layers.head")
#: Names of several linear layers, the side of the pooled map, and what stands between them.
_STACKS: tuple[tuple[tuple[str, ...], int, type[nn.Module]], ...] = (
    (("classifier.0", "classifier.3", "classifier.6"), 7, nn.ReLU),  # VGG, torchvision
    (("fc6", "fc7", "fc8"), 7, nn.ReLU),  # VGG, Caffe
    (("classifier.0", "classifier.3"), 1, nn.Hardswish),  # MobileNetV3, torchvision
    (("head.layers.0.fc", "head.layers.1.fc"), 1, nn.Hardswish),  # MobileNetV3, MMPreTrain
    (("fc", "linear"), 1, nn.ReLU),  # STDC
)
#: Last convolutions that MMSegmentation's backbones leave out, and what follows their BatchNorm:
#: MobileNetV2's, as MMPreTrain calls it, and STDC's.
_CONVS: dict[str, Callable[[Tensor], Tensor]] = {"conv2": F.relu6, "conv_last": squared_relu}
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
#: Names of the norm behind a class token, and of the one behind the mean of all other tokens.
_TOKEN_NORMS = ("norm", "ln1")
_PATCHES_NORMS = ("fc_norm", "ln2")
#: Tensors that are no weights of the ImageNet function.
_NO_WEIGHTS = re.compile(
    r"(^|\.)(num_batches_tracked|attn_mask|relative_position_index|mask_token|"
    r"total_ops|total_params)$"
)
_FEATURE_LOSSES = (
    "a loss that needs no classifier, loss=dict(type='FeatureL2Loss') or "
    "loss=dict(type='FeatureCosineLoss')"
)


def build_classifier(
    tensors: Mapping[str, Tensor],
    source: str,
    end: NetworkEnd | None = None,
    prefix: str | None = None,
) -> tuple[nn.Module, set[str]]:
    """Build the end of an ImageNet network out of its file.

    Args:
        tensors: The file's tensors, classifier included.
        source: The file's name, for error messages.
        end: What form it has; None: pooling and a linear layer (or several).
        prefix: Name of the linear layer in the file; None: found by the usual names.

    Returns:
        A frozen module in eval mode that maps features to logits, and the tensors it took.

    Raises:
        ValueError: The backbone's ImageNet network has an end that is not known, or the file
            lacks a part of it.
    """
    end = end or NetworkEnd()
    tensors = {k.removeprefix("backbone."): v for k, v in tensors.items()}
    file = _File(tensors)
    classifier = _build(file, source, end, prefix)
    classifier.requires_grad_(False)
    classifier.eval()
    return classifier, file.taken


class _File(dict[str, Tensor]):
    """A file's tensors; remembers which were taken."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.taken: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.taken.add(name)
        return super().__getitem__(name)


def _build(file: _File, source: str, end: NetworkEnd, prefix: str | None) -> FrozenEnd:
    stack = next((s for s in _STACKS if all(f"{n}.weight" in file for n in s[0])), None)
    if stack is not None and prefix is None:
        names, size, activation = stack
        layers = [_layer(file, name) for name in names]
        weights, biases = ([layer[i] for layer in layers] for i in range(2))
        head: FrozenEnd = StackedClassifier(weights, biases, size, activation())
    else:
        head = _linear(file, source, end, prefix)
    for name, function in _CONVS.items():
        conv = file.get(f"{name}.conv.weight")
        if conv is not None and conv.shape[0] == head.in_channels and f"{name}.bn.weight" in file:
            norm = [file[f"{name}.bn.{n}"] for n in _BATCH_NORM]
            return ConvClassifier(file[f"{name}.conv.weight"], norm, function, head)
    return head


def _layer(file: _File, name: str) -> tuple[Tensor, Tensor]:
    """Return weight, (C_out, C_in), and bias of a linear layer, which may have none."""
    weight = file[f"{name}.weight"].flatten(1)
    bias = file[f"{name}.bias"] if f"{name}.bias" in file else torch.zeros(weight.shape[0])
    return weight, bias


def _linear(file: _File, source: str, end: NetworkEnd, prefix: str | None) -> LinearClassifier:
    names = (prefix,) if prefix is not None else _LINEAR
    found = next((n for n in names if _is_linear(file, n)), None)
    if found is None:
        raise ValueError(_no_classifier(file, source, prefix))
    norm, pool = end.norm, "mean"
    if end.tokens == "class":
        norm, pool = _class_token_norm(file, source)
    values = None
    if norm is not None:
        if f"{norm}.weight" not in file or f"{norm}.bias" not in file:
            raise ValueError(
                f"{_KEY}: {source} has a classifier '{found}' but no '{norm}.weight' and "
                f"'{norm}.bias', which its ImageNet network applies before it. Name a checkpoint "
                f"of the whole network by classifier=dict(checkpoint=...), or use {_FEATURE_LOSSES}"
            )
        values = (file[f"{norm}.weight"], file[f"{norm}.bias"])
    first = end.norm_first and end.tokens == "all"
    return LinearClassifier(*_layer(file, found), values, first, pool, end.eps)


def _class_token_norm(file: _File, source: str) -> tuple[str, str]:
    """Return the final norm of a network with a class token, and what is pooled before it."""
    token = [n for n in _TOKEN_NORMS if f"{n}.weight" in file]
    patches = [n for n in _PATCHES_NORMS if f"{n}.weight" in file]
    if len(token) + len(patches) != 1:
        raise ValueError(
            f"{_KEY}: {source} has {first_of([*token, *patches])} for a final norm, where one is "
            f"needed: {' or '.join(_TOKEN_NORMS)} (the classifier takes the class token) or "
            f"{' or '.join(_PATCHES_NORMS)} (it takes the mean of the others). Name a checkpoint "
            f"of the whole ImageNet network by classifier=dict(checkpoint=...), or use "
            f"{_FEATURE_LOSSES}"
        )
    return (token[0], "token") if token else (patches[0], "patches")


def check_all_used(
    tensors: Collection[str], backbone: nn.Module, taken: set[str], source: str
) -> None:
    """Raise a ValueError where the file has weights that neither backbone nor classifier takes.

    They are layers of the ImageNet network that nobody runs, so what the classifier would say is
    not that network's prediction. Files whose names the backbone converts are not compared.
    """
    own = backbone.state_dict()
    tensors = [name.removeprefix("backbone.") for name in tensors]
    if not any(name in own for name in tensors):
        return
    left = [n for n in tensors if n not in own and n not in taken and is_weight(n)]
    if left:
        raise ValueError(
            f"{_KEY}: {source} has {len(left)} tensors that neither {type(backbone).__name__} nor "
            f"the classifier ({first_of(sorted(taken), 2)}) takes: {first_of(left, 6)}. The "
            "ImageNet network has layers between the two that do not run here, so its prediction "
            f"is not known. Use {_FEATURE_LOSSES}; or say that they do not matter by "
            "classifier=dict(prefix='name of the linear layer')"
        )


def is_weight(name: str) -> bool:
    """Whether a tensor of that name is a weight of the network, and no counter or table."""
    return not _NO_WEIGHTS.search(name)


def _is_linear(file: _File, name: str) -> bool:
    weight = file.get(f"{name}.weight")
    return weight is not None and (weight.ndim == 2 or weight.shape[2:] == (1, 1))


def _no_classifier(file: _File, source: str, prefix: str | None) -> str:
    what = f"no linear layer '{prefix}'" if prefix else "no ImageNet classifier that is known"
    last = [k for k in file if k.endswith("weight")][-3:]
    return (
        f"{_KEY}: {source} carries {what} (looked for {', '.join(f'{n}.weight' for n in _LINEAR)} "
        "and the layers of VGG, MobileNetV3 and STDC; its last weights are "
        f"{first_of(last)}). Ways out: classifier=dict(checkpoint='file of the same network with "
        f"its classifier', prefix='name of its linear layer'); or {_FEATURE_LOSSES}"
    )
