"""Whether a checkpoint's tensors are those of the model, and what explains it where they are not.

mmengine loads what fits and says of the rest a line in the log, so that a test may measure random
weights, and a training begin from none, without an error.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from mmasg.errors import first_of
from mmasg.wrapped_model import unwrap

from .imagenet_file import flatten


@dataclass(frozen=True)
class Fit:
    """How a checkpoint's tensors fit a model.

    Attributes:
        filled: Names of the model's tensors that the checkpoint fills.
        unfilled: Names of those that it leaves as they are.
        reshaped: Names that both have with different shapes, and the two shapes; also unfilled.
        left_over: Names of the checkpoint that the model does not have.
        prefix: What the checkpoint's names begin with where that alone keeps most of them from
            fitting; ``""`` otherwise.
        part: The child of the model whose names are the checkpoint's without the child's name in
            front; ``""`` if there is none.
    """

    filled: list[str]
    unfilled: list[str]
    reshaped: list[str]
    left_over: list[str]
    prefix: str
    part: str

    def explain(self, source: str, partial: str) -> str:
        """Say what does not fit, and the remedy.

        Args:
            source: The checkpoint's name.
            partial: The switch that takes what fits, for the remedy.
        """
        said = (
            f"{source} does not fit the config's model: {len(self.unfilled)} of the model's "
            f"{len(self.filled) + len(self.unfilled)} tensors get nothing from it "
            f"({first_of(self.unfilled, 4)}), {len(self.reshaped)} of them because the shape is "
            f"another ({first_of(self.reshaped, 3)}); {len(self.left_over)} tensors of the "
            f"checkpoint are left over ({first_of(self.left_over, 4)})."
        )
        if self.prefix:
            return f"{said} Its names fit without {self.prefix!r} in front: --prefix {self.prefix}"
        if self.part:
            return (
                f"{said} It is a checkpoint of the {self.part} alone: set model.{self.part}."
                "init_cfg=dict(type='Pretrained', checkpoint=...)."
            )
        return (
            f"{said} Give the config that the checkpoint was trained with (backbone, num_classes),"
            f" or, if you mean it, {partial} to take what fits."
        )


def fit(model: nn.Module, weights: Mapping[str, Tensor]) -> Fit:
    """Load what fits of a state dict, and say what does not.

    Args:
        model: The model; wrappers for several processes and for test-time augmentation are looked
            through. ``num_batches_tracked`` of BatchNorm does not count.
        weights: Tensors by name; ``module.`` in front of names does not count.
    """
    model = unwrap(model)
    if isinstance(model, BaseTTAModel):
        model = model.module
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    given = OrderedDict((re.sub(r"^module\.", "", name), value) for name, value in weights.items())
    reshaped = {
        name: f"{name}: the model's {own[name]}, the checkpoint's {tuple(value.shape)}"
        for name, value in given.items()
        if name in own and own[name] != tuple(value.shape)
    }
    loaded = OrderedDict((k, v) for k, v in given.items() if k not in reshaped)
    # Modules rename what older versions of theirs have saved; torch passes them the versions here.
    loaded._metadata = getattr(weights, "_metadata", {})  # type: ignore[attr-defined]
    try:
        result = model.load_state_dict(loaded, strict=False)
    except RuntimeError as error:  # a shape that only a module's own renaming reveals
        raise ValueError(f"The checkpoint does not fit the config's model: {error}") from error
    counted = [k for k in own if not k.endswith("num_batches_tracked")]
    missing = set(result.missing_keys)
    left_over = result.unexpected_keys
    return Fit(
        filled=[k for k in counted if k not in missing],
        unfilled=[k for k in counted if k in missing],
        reshaped=list(reshaped.values()),
        left_over=left_over,
        prefix=_front(own, left_over),
        part=_front(left_over, own).rstrip("."),
    )


def _front(names: Iterable[str], longer: Iterable[str]) -> str:
    """What most of the longer names have in front of one of the names; '' where few have."""
    names, longer = set(names), list(longer)
    fronts: Counter[str] = Counter()
    for name in longer:
        places = [place + 1 for place, letter in enumerate(name) if letter == "."]
        fronts.update(name[:place] for place in places[:3] if name[place:] in names)
    if not fronts:
        return ""
    # A code base may keep several models in one file (model., ema_model.): the first is taken.
    front, count = fronts.most_common(1)[0]
    return front if 2 * count >= min(len(names), len(longer)) else ""


def without_prefix(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it.

    Raises:
        ValueError: No name begins with it.
    """
    names = {re.sub(r"^module\.", "", name): value for name, value in weights.items()}
    found = {k[len(prefix) :]: v for k, v in names.items() if k.startswith(prefix)}
    if not found:
        raise ValueError(
            f"--prefix: no name of the checkpoint begins with {prefix!r}; it has "
            f"{first_of(list(weights), 3)}."
        )
    return found


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Refuse a checkpoint that does not fit the model. ``tools/train.py`` and ``test.py`` add it.

    A test needs every tensor of the model (``num_batches_tracked`` aside). A training that starts
    from ``load_from`` needs some of the backbone's, or of the model's where it has no backbone, and
    says in the log what it starts without. A resumed training is left to
    :class:`~mmasg.checkpoint.AtomicCheckpointHook`.

    Args:
        testing: Whether the run is a test. Defaults to False.
        allow_partial: Take what fits; the rest is said in the log. Defaults to False.
        prefix: Load the tensors whose names begin with it, without it. Defaults to ``""``: all.

    Raises:
        ValueError: When a checkpoint is loaded that does not fit, or none of whose names begins
            with the prefix.
    """

    priority = "LOWEST"  # after those that change what is loaded

    def __init__(
        self, testing: bool = False, allow_partial: bool = False, prefix: str = ""
    ) -> None:
        self.testing, self.allow_partial, self.prefix = testing, allow_partial, prefix

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Compare; ``checkpoint`` is what the runner is about to load."""
        # Strategies of a FlexibleRunner load shards.
        if not isinstance(runner, Runner) or (runner._resume and not self.testing):
            return
        source = f"load_from: {runner._load_from}"
        weights = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
        if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
            weights = checkpoint["state_dict"] = flatten(
                checkpoint, str(runner._load_from), "load_from"
            )
        if self.prefix:
            weights = checkpoint["state_dict"] = without_prefix(weights, self.prefix)
        found = fit(runner.model, weights)
        some = [name for name in found.filled if name.startswith("backbone.")]
        if not hasattr(unwrap(runner.model), "backbone"):
            some = found.filled
        if (found.unfilled if self.testing else not some) and not self.allow_partial:
            raise ValueError(found.explain(source, "--allow-partial"))
        if found.unfilled or found.left_over:
            runner.logger.warning(
                f"{source} fits in part: {len(found.filled)} tensors are loaded; "
                f"{len(found.unfilled)} of the model stay as they were initialised "
                f"({first_of(found.reshaped or found.unfilled)}), {len(found.left_over)} of the "
                f"file are not used ({first_of(found.left_over)})."
            )
