"""What the hooks share that train on unlabelled target frames beside the source's batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import PixelData
from torch import Tensor, nn

from mmasg.consistency.taps import LossTap
from mmasg.errors import wrong
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.guard.training_run import trains
from mmasg.wrapped_model import unwrap

from .target_stream import TargetStream


class TargetHook(Hook):
    """Bring a batch of target frames to every iteration, and add a loss on them.

    The loss is computed inside the forward call that distributed training wraps. Frames come in an
    order and with augmentations that are keyed, so a resumed run sees those that the uninterrupted
    one would have seen. Whatever labels the frames have are taken off before anybody sees them.

    A subclass gives ``target_losses``.

    Args:
        target (dict): Dataloader of the target: ``dataset`` (its pipeline loads, crops and packs
            frames, without labels), ``batch_size``, ``num_workers``, ... Sampler and keyed
            randomness are added.
        loss_weight (float): Weight of the loss.

    Raises:
        TypeError: ``target`` is no dict with a dataset.
        ValueError: ``loss_weight`` is not positive; the target reads labels, has no frame, or
            other classes than the source.
    """

    priority = "NORMAL"

    def __init__(self, target: Mapping[str, Any], loss_weight: float) -> None:
        name = type(self).__name__
        if not isinstance(loss_weight, (int, float)) or not 0 < loss_weight < float("inf"):
            raise ValueError(wrong(f"{name}.loss_weight", loss_weight, "a number above 0"))
        self.target = target
        self.loss_weight = loss_weight
        self._stream: TargetStream | None = None
        self._source: Any = None
        self._target: Any = None
        self._handles: list[Any] = []

    def before_run(self, runner: Runner) -> None:
        """Build the target's data, so that what is wrong with it is said before the training."""
        TrainingCheckHook.join(runner)
        if not trains(runner):
            return
        metainfo = getattr(runner.train_dataloader.dataset, "metainfo", None) or {}
        key = f"{type(self).__name__}.target"
        self._stream = TargetStream(self.target, key, metainfo.get("classes"), runner.seed)

    def before_train(self, runner: Runner) -> None:
        """Attach to the model."""
        model = unwrap(runner.model)
        assert self._stream is not None
        self._stream.begin(runner.iter)
        # The consistency hook sees what runs before its own loss: the source, or the target too.
        first = any(getattr(hook, "target_frames", False) for hook in runner.hooks)
        tap = LossTap(
            model,
            self.before_source,
            lambda losses: self.target_losses(model, losses),
            first=first,
        )
        self._handles = [tap]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the source batch, and take one of the target's."""
        assert self._stream is not None
        self._source, self._target = data_batch, self._stream.next()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Let the batches go."""
        self._source = self._target = None

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self._stream is not None:
            self._stream.end()

    def before_source(self) -> None:
        """Prepare for the model's pass over the source batch; for subclasses."""

    def target_losses(self, model: nn.Module, losses: dict) -> dict[str, Tensor]:
        """The losses on the target's frames, by name.

        Args:
            model: The model, unwrapped.
            losses: What its pass over the source batch gave.
        """
        raise NotImplementedError

    def frames(self, model: nn.Module) -> Tensor:
        """The target batch as the network takes it, (N, 3, H, W)."""
        batch = dict(self._target)
        samples = []
        for sample, image in zip(batch["data_samples"], batch["inputs"], strict=True):
            sample = sample.clone()
            if not is_classifier(model):
                # The preprocessor stacks and pads label maps; this one is never looked at.
                blank = torch.full((1, *image.shape[-2:]), 255, dtype=torch.int64)
                sample.gt_sem_seg = PixelData(data=blank)
            samples.append(sample)
        batch["data_samples"] = samples
        return model.data_preprocessor(batch, True)["inputs"]  # type: ignore[operator]


def is_classifier(model: nn.Module) -> bool:
    """Whether a model gives a label an image, rather than a map of them."""
    return not hasattr(model, "decode_head")
