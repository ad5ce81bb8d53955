"""Online self-training: a mean teacher labels target frames while the student trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from torch import Tensor, nn

from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .class_mix import class_mix, mix_mask
from .mean_teacher import MeanTeacher, same_layout, to_size
from .strong_augmentation import strong_augmentation
from .target_hook import TargetHook, is_classifier
from .teacher_schedule import frame_weight

_KEY = "MeanTeacherHook"
_STATE = "mean_teacher"


@HOOKS.register_module()
class MeanTeacherHook(TargetHook):
    """Train on unlabelled target frames, labelled by a moving average of the model itself.

    **Segmentation.** In every iteration the teacher predicts a batch of target frames. Half the
    classes of each source frame are pasted into one of them (ClassMix), labels alike; the colours
    of the mix are changed and it is blurred; and the student is trained on it with the
    cross-entropy

        ``loss_mix = loss_weight * mean over labelled pixels of (q * CE)``

    where ``q`` is 1 on pasted pixels, and elsewhere the share of the target frame's pixels whose
    confidence is above ``threshold``. This is DACS (Tranheden et al., WACV 2021) with the warm
    start and the numbers of DAFormer (Hoyer et al., CVPR 2022, eq. 2 to 5). ImageNet consistency,
    DAFormer's feature distance in another form, is a hook beside this one.

    **Classification.** The teacher labels the images as the pipeline gives them; the student is
    trained on them with their colours changed and blurred:

        ``loss_teacher = loss_weight * mean over images of (q * CE)``

    with ``q`` 1 where the teacher's confidence is above ``threshold`` and 0 elsewhere (French,
    Mackiewicz, Fisher, *Self-ensembling for visual domain adaptation*, ICLR 2018, section 3.2,
    whose threshold it is; with a cross-entropy in place of their squared difference).

    The teacher lives in the hook: it is in no ``state_dict`` of the model, and travels in
    checkpoints under the key ``mean_teacher``, so that a resumed run goes on to the same numbers.
    Target labels are never read. Logged: the loss, and ``target_confidence``, the mean of ``q``
    over the target's frames.

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
        super().__init__(target, loss_weight)
        self.momentum = momentum
        self.threshold = threshold
        self.teacher: MeanTeacher | None = None
        self._resumed: dict | None = None
        self._stepped = False

    def before_train(self, runner: Runner) -> None:
        """Build the teacher from the student's weights and attach."""
        if isinstance(runner.optim_wrapper, OptimWrapperDict):
            raise TypeError(f"{_KEY} needs one optimizer, got optim_wrapper=OptimWrapperDict.")
        model = unwrap(runner.model)
        # A network of its own rather than a copy: hooks hang on the student's modules.
        self.teacher = MeanTeacher(MODELS.build(runner.cfg.model), self.momentum)
        same_layout(self.teacher, model)
        self.teacher.to(next(model.parameters()).device)
        self.teacher.update_parameters(model)
        if self._resumed is not None:
            self.teacher.load_state_dict(self._resumed)
            self._resumed = None
        super().before_train(runner)
        self._handles.append(
            runner.optim_wrapper.optimizer.register_step_post_hook(self._note_step)
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Let the teacher follow, where the optimizer has stepped."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self._stepped:
            assert self.teacher is not None
            self.teacher.update_parameters(unwrap(runner.model))
            self._stepped = False

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

    def target_losses(self, model: nn.Module, losses: dict) -> dict[str, Tensor]:
        """The loss of the mixed frames, or of the images as the teacher labels them."""
        labels, quality = self._label(model)
        if is_classifier(model):
            return self._of_images(model, labels.flatten(), quality)
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

    def _of_images(self, model: nn.Module, labels: Tensor, quality: Tensor) -> dict[str, Tensor]:
        """The loss of a classifier on the images with other colours."""
        images = [strong_augmentation(image) for image in self._target["inputs"]]
        samples = self._target["data_samples"]
        data = model.data_preprocessor(dict(inputs=images, data_samples=samples), True)  # type: ignore[operator]
        logits = model.forward(data["inputs"], mode="tensor")
        each = F.cross_entropy(logits.float(), labels, reduction="none")
        loss = self.loss_weight * (each * quality).mean()
        return {"loss_teacher": loss, "target_confidence": quality.mean()}

    def _label(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        """Labels (N, H, W) of the target batch, and the weight of each frame (N,)."""
        assert self.teacher is not None
        confidence, labels = self.teacher.probabilities(self.frames(model)).max(dim=1)
        # Without what the preprocessor has padded; an image has one label.
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
