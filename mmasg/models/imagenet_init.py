"""Strict ImageNet initialisation, shared by the backbones and heads of this package.

mmengine's ``Pretrained`` loads what happens to match and only prints the rest. For a method that
compares a student with its ImageNet teacher a silently skipped tensor is a wrong result, so here
every tensor of the module has to be found, and every tensor of the file has to be used or to
belong to a part that is expected to stay behind (the ImageNet classifier).
"""

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModule, PretrainedInit
from torch import Tensor, nn

from mmasg.checkpoint.imagenet_file import read_imagenet_file


def pretrained_cfg(pretrained: str | None, init_cfg: Any) -> Any:
    """Turn MMSegmentation's ``pretrained=`` shorthand into an ``init_cfg``.

    Raises:
        ValueError: If both are given.
    """
    if pretrained is None:
        return init_cfg
    if init_cfg is not None:
        raise ValueError(
            f"pretrained={pretrained!r} and init_cfg={init_cfg!r} are both given: drop pretrained"
        )
    return {"type": "Pretrained", "checkpoint": pretrained}


def split_pretrained(init_cfg: Any) -> tuple[dict | None, list[dict]]:
    """The ``Pretrained`` entry of an ``init_cfg`` (None if there is none) and the other entries."""
    entries = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg or [])
    pretrained = None
    others = []
    for entry in entries:
        if entry.get("type") in ("Pretrained", "PretrainedInit", PretrainedInit):
            pretrained = entry
        else:
            others.append(entry)
    return pretrained, others


def read_state_dict(checkpoint: str, prefix: str | None, key: str) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint.

    Args:
        checkpoint: A path or URL (``torchvision://``, ``open-mmlab://``, ``pip://``, ...).
        prefix: Keep the names that start with it, without it; None: keep all.
        key: Config key to name in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds no tensors by name.
    """
    tensors = read_imagenet_file(checkpoint, key)
    if prefix:
        prefix = prefix if prefix.endswith(".") else prefix + "."
        tensors = {n[len(prefix) :]: v for n, v in tensors.items() if n.startswith(prefix)}
    return tensors


def load_strictly(
    module: nn.Module, weights: Mapping[str, Tensor], source: str, parts: tuple[str, ...] = ("",)
) -> None:
    """Load ``weights`` into ``module``, every tensor of both.

    BatchNorm's ``num_batches_tracked`` may be missing: old files do not have it.

    Args:
        module: What is filled.
        weights: Tensors under the module's names.
        source: Where they come from, for the message.
        parts: The module's tensors whose names start with one of these are filled, by default
            all.

    Raises:
        ValueError: If names or shapes differ; all of them are listed, nothing is loaded.
    """
    own = {n: value for n, value in module.state_dict().items() if n.startswith(parts)}
    wrong = [
        f"{name}: {tuple(weights[name].shape)} in the file, {tuple(own[name].shape)} in the model"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    missing = [n for n in own if n not in weights and not n.endswith("num_batches_tracked")]
    extra = [name for name in weights if name not in own]
    if missing or extra or wrong:
        raise ValueError(
            f"{source} does not fit {type(module).__name__}: missing {missing or 'nothing'}, "
            f"not expected {extra or 'nothing'}, wrong shape {wrong or 'nothing'}"
        )
    module.load_state_dict(weights, strict=False)


class ImageNetInitModule(BaseModule):
    """A ``BaseModule`` whose ``init_cfg=dict(type='Pretrained', ...)`` loads strictly.

    A subclass names its tensors' origin in :meth:`rename_imagenet`; everything else of mmengine's
    ``init_weights`` (other initialisers, one initialisation per object) stays as it is.
    """

    #: Prefixes of the tensors that the ImageNet file has to fill; by default all.
    imagenet_parts: tuple[str, ...] = ("",)
    init_cfg: Any

    def rename_imagenet(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of the ImageNet file -> names of this module, without the classifier's."""
        raise NotImplementedError

    def init_weights(self) -> None:
        """Initialise, the ``Pretrained`` entry of ``init_cfg`` last and strictly.

        Raises:
            FileNotFoundError: If the checkpoint is not there.
            ValueError: If the checkpoint's names or shapes are not this network's.
        """
        pretrained, others = split_pretrained(self.init_cfg)
        if self.is_init or pretrained is None:
            super().init_weights()
            return
        given = self.init_cfg
        self.init_cfg = others
        try:
            super().init_weights()
        finally:
            self.init_cfg = given
        checkpoint = pretrained["checkpoint"]
        key = f"init_cfg.checkpoint of {type(self).__name__}"
        weights = read_state_dict(checkpoint, pretrained.get("prefix"), key)
        renamed = self.rename_imagenet(weights)
        load_strictly(self, renamed, f"checkpoint '{checkpoint}'", self.imagenet_parts)
