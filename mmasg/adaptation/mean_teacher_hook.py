"""Online self-training: a mean teacher labels target frames while the student trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from torch import Tensor, nn

from mmasg.consistency.taps import LossTap
from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .class_mix import class_mix, mix_mask
from .mean_teacher import MeanTeacher, to_size
from .strong_augmentation import strong_augmentation
from .target_stream import TargetStream
from .teacher_schedule import frame_weight

_KEY = "MeanTeacherHook"
_STATE = "mean_teacher"


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    """Train on unlabelled target frames, labelled by a moving average of the model itself.

    In every iteration the teacher predicts a batch of target frames. Half the classes of each
    source frame are pasted into one of them (ClassMix), labels alike; the colours of the mix are
    changed and it is blurred; and the student is trained on it with the cross-entropy

        ``loss_mix = loss_weight * mean over labelled pixels of (q * CE)``

    where ``q`` is 1 on pasted pixels, and elsewhere the share of the target frame's pixels whose
    confidence is above ``threshold``. This is DACS (Tranheden et al., WACV 2021) with the warm
    start and the numbers of DAFormer (Hoyer et al., CVPR 2022, eq. 2 to 5). ImageNet consistency,
    DAFormer's feature distance in another form, is a hook beside this one.

    The teacher lives in the hook: it is in no ``state_dict`` of the model, and travels in
    checkpoints under the key ``mean_teacher``, so that a resumed run goes on to the same numbers.
    Target labels are never read. Logged: ``loss_mix`` and ``target_confidence``, the mean of ``q``.

    Args:
        target (dict): Dataloader of the target: ``dataset`` (its pipeline loads and crops frames
            to the size of the source's and packs them, without labels), ``batch_size``,
            ``num_workers``, ... Sampler and keyed randomness are added.
        momentum (float): Share of the teacher that stays at an optimizer step. Defaults to 0.999.
        threshold (float): Confidence from which a pixel counts for ``q``. Defaults to 0.968.
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        TypeError: ``target`` is no dict with a dataset, or several optimizers.
        ValueError: A number out of its range, a target with labels or with other classes, or
            frames of another size than the source's.
    """

    # After the consistency hook (VERY_HIGH) attached: its loss then sees source frames alone.
    priority = "NORMAL"

    def __init__(
        self,
        target: Mapping[str, Any],
        momentum: float = 0.999,
        threshold: float = 0.968,
        loss_weight: float = 1.0,
    ) -> None:
        for name, value in (("momentum", momentum), ("threshold", threshold)):
            if not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise ValueError(wrong(f"{_KEY}.{name}", value, "a number from 0 to below 1"))
        if not isinstance(loss_weight, (int, float)) or not 0 < loss_weight < float("inf"):
            raise ValueError(wrong(f"{_KEY}.loss_weight", loss_weight, "a number above 0"))
        self.target = target
        self.momentum = momentum
        self.threshold = threshold
        self.loss_weight = loss_weight
        self.teacher: MeanTeacher | None = None
        self._stream: TargetStream | None = None
        self._resumed: dict | None = None
        self._source: Any = None
        self._target: Any = None
        self._stepped = False
        self._handles: list[Any] = []

    def before_run(self, runner: Runner) -> None:
        """Build the target's data, so that what is wrong with it is said before the training."""
        metainfo = getattr(runner.train_dataloader.dataset, "metainfo", None) or {}
        self._stream = TargetStream(
            self.target, f"{_KEY}.target", metainfo.get("classes"), runner.seed
        )

    def before_train(self, runner: Runner) -> None:
        """Build the teacher from the student's weights and attach."""
        if isinstance(runner.optim_wrapper, OptimWrapperDict):
            raise TypeError(f"{_KEY} needs one optimizer, got optim_wrapper=OptimWrapperDict.")
        model = unwrap(runner.model)
        # A network of its own rather than a copy: hooks hang on the student's modules.
        self.teacher = MeanTeacher(MODELS.build(runner.cfg.model), self.momentum)
        self.teacher.to(next(model.parameters()).device)
        self.teacher.update_parameters(model)
        if self._resumed is not None:
            self.teacher.load_state_dict(self._resumed)
            self._resumed = None
        assert self._stream is not None
        self._stream.begin(runner.iter)
        self._handles = [
            LossTap(model, self._before_loss, lambda losses: self._after_loss(model, losses)),
            runner.optim_wrapper.optimizer.register_step_post_hook(self._note_step),
        ]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the source batch, and take one of the target's."""
        assert self._stream is not None
        self._source, self._target = data_batch, self._stream.next()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Let the teacher follow, where the optimizer has stepped."""
        self._source = self._target = None
        if self._stepped:
            assert self.teacher is not None
            self.teacher.update_parameters(unwrap(runner.model))
            self._stepped = False

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self._stream is not None:
            self._stream.end()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the teacher beside the model."""
        if self.teacher is not None:
            checkpoint[_STATE] = self.teacher.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take it from a checkpoint that the run is resumed from."""
        if not runner._resume:
            return
        self._resumed = checkpoint.get(_STATE)
        if self._resumed is None:
            runner.logger.warning(
                f"{_KEY}: the checkpoint holds no teacher; it starts as the student."
            )

    def _note_step(self, *_: Any) -> None:
        self._stepped = True

    def _before_loss(self) -> None:
        """Nothing to prepare: the source's own pass runs undisturbed."""

    def _after_loss(self, model: nn.Module, losses: dict) -> dict[str, Tensor]:
        """The loss of the mixed frames, inside the forward call that DDP wraps."""
        assert self.teacher is not None
        labels, quality = self._label(model)
        batch, weights = self._mix(labels, quality)
        data = model.data_preprocessor(batch, True)  # type: ignore[operator]
        truth = torch.cat([sample.gt_sem_seg.data for sample in data["data_samples"]])
        logits = to_size(model.forward(data["inputs"], mode="tensor"), truth.shape[-2:])
        each = F.cross_entropy(logits, truth, ignore_index=255, reduction="none")
        # Padding of the preprocessor lies to the right and below; its label is ignored.
        size = [0, truth.shape[-1] - weights.shape[-1], 0, truth.shape[-2] - weights.shape[-2]]
        each = each * F.pad(weights, size)
        loss = each.sum() / (truth != 255).sum().clamp(min=1)
        return {"loss_mix": self.loss_weight * loss, "target_confidence": quality.mean()}

    def _label(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        """Labels (N, H, W) of the target batch, and the weight of each frame (N,)."""
        assert self.teacher is not None
        frames = dict(self._target)
        samples = [sample.clone() for sample in frames["data_samples"]]
        for sample, frame in zip(samples, frames["inputs"], strict=True):
            # The preprocessor stacks and pads labels too; what is put here is never looked at.
            blank = torch.full((1, *frame.shape[-2:]), 255, dtype=torch.int64)
            sample.gt_sem_seg = PixelData(data=blank)
        frames["data_samples"] = samples
        data = model.data_preprocessor(frames, True)  # type: ignore[operator]
        confidence, labels = self.teacher.probabilities(data["inputs"]).max(dim=1)
        height, width = self._target["inputs"][0].shape[-2:]
        confidence, labels = confidence[:, :height, :width], labels[:, :height, :width]
        return labels, frame_weight(confidence, self.threshold)

    def _mix(self, labels: Tensor, quality: Tensor) -> tuple[dict, Tensor]:
        """A batch of mixed frames, as a pipeline packs it, and the weights of its pixels."""
        inputs, samples, weights = [], [], []
        count = len(self._source["inputs"])
        for i, frame in enumerate(self._target["inputs"]):
            image = self._source["inputs"][i % count]
            sample = self._source["data_samples"][i % count].clone()
            if image.shape != frame.shape:
                raise ValueError(
                    f"{_KEY}.target: its frames are {tuple(frame.shape[-2:])} (height, width) "
                    f"after the pipeline, the source's {tuple(image.shape[-2:])}; they are pasted "
                    "into each other. Crop both to one size (RandomCrop, PadEvenly)."
                )
            truth = sample.gt_sem_seg.data[0].to(labels.device)
            mask = mix_mask(truth)
            mixed = class_mix(mask.to(image.device), image, frame)
            inputs.append(strong_augmentation(mixed))
            sample.gt_sem_seg = PixelData(data=class_mix(mask, truth, labels[i])[None])
            samples.append(sample)
            weights.append(
                class_mix(mask, torch.ones_like(truth).float(), quality[i].expand_as(truth))
            )
        return dict(inputs=inputs, data_samples=samples), torch.stack(weights)
