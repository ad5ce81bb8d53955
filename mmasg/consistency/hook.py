"""The hook that keeps a student's representation close to ImageNet's while it trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from mmasg.datasets.pseudo_labelled import source_samples
from mmasg.errors import first_of
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.guard.training_run import trains
from mmasg.reproducible.kept_randomness import kept_randomness
from mmasg.wrapped_model import unwrap

from .agreement import Agreement
from .checked_losses import build_losses, check_number
from .distances import Distances, stages_of
from .eval_mode import EvalMode, check_eval_mode
from .kl_watch_hook import KLWatchHook
from .loss_state import LossState
from .start_check import report_start
from .taps import LossTap
from .teacher import ImageNetTeacher, build_teacher, check_compile, find_student
from .teacher_cache import TeacherCache
from .teacher_weights import plain_student

_KEY = "ImageNetConsistencyHook"
#: Key of the losses' own state in a checkpoint.
_STATE = "consistency_loss"


@HOOKS.register_module()
class ImageNetConsistencyHook(Hook):
    """Add the proxy guidance of ASG (ICML 2020, section 3.1) to any model.

    A frozen copy of the ImageNet network sees the very tensors that the student's backbone sees;
    the student's features, through the frozen ImageNet classifier, must still give its
    predictions: ``loss = task losses + loss_weight * KL``. Into an existing config::

        custom_imports = dict(imports=['mmasg'], allow_failed_imports=False)
        custom_hooks = [dict(type='ImageNetConsistencyHook', loss_weight=1.0)]

    Each iteration logs ``loss_imagenet`` (weighted, in the objective) and ``kl_imagenet`` (raw;
    other losses have a name of their own). ``KLWatchHook`` comes along and warns where it rises.

    Args:
        student_module (str): Dotted name of the part that starts from ImageNet. Where it has no
            checkpoint of its own but one module inside it has (BiSeNet, STDC), that one is taken.
            Defaults to ``'backbone'``.
        teacher (str | dict, optional): None: the student's own backbone and ImageNet checkpoint.
            A string: another checkpoint for that backbone. A dict: a backbone config.
        classifier (dict, optional): None: the classifier in the same file.
            ``dict(checkpoint=..., prefix=...)`` or ``dict(type=...)``, see
            :func:`mmasg.consistency.teacher.build_teacher`.
        feature (int | str, optional): Index of the feature map that the classifier takes, or
            the submodule whose input it is. None: chosen by the backbone.
        loss (dict | list): ``ImageNetKLLoss`` (default), ``FeatureL2Loss``, ``FeatureCosineLoss``,
            ``WeightL2Loss`` or ``ContrastiveAgreement``; a list of them: their weighted sum.
        loss_weight (float | list): Weight ``w``; of a list of losses, a list. The paper: 0.1 on
            VisDA-17, 75 on GTA5. 0: the distance is logged and nothing else; the training is, bit
            for bit, the one without the hook in the same ``eval_mode``. Defaults to 1.
        max_weighted_loss (float, optional): Cap of ``w * KL``: above it ``w`` is
            ``(cap / KL).detach()`` for that iteration, with the KL averaged over ranks. The
            paper: 9 on GTA5 with the policy. Defaults to None, no cap.
        eval_mode (str, optional): Which layers stay in eval mode, see
            :class:`mmasg.consistency.eval_mode.EvalModeHook`. Defaults to ``'pretrained'``.
        agreement (dict, optional): After the run, log the share of images on which student and
            teacher give the same ImageNet top-1: ``dict(images='folder')`` or
            ``dict(split='val')``. Defaults to None, not measured.
        teacher_cache (dict, optional): Compute the teacher's predictions once per image and keep
            them: ``dict(dir='folder')``, see :class:`mmasg.consistency.teacher_cache.TeacherCache`.
            For trainings without random augmentation. Defaults to None, no cache.
        target_frames (bool): In a training that sees the target too, guide the student on the
            target's frames as well: pseudo-labelled ones, and those that ``MeanTeacherHook``,
            ``TargetEntropyHook`` or ``DomainAdversarialHook`` bring. Defaults to False: on the
            source's alone, as in the paper.
        compile_teacher (bool | dict): ``torch.compile`` the teacher, with these arguments where it
            is a dict (docs/performance.md). Defaults to False.

    Raises:
        ValueError: An unknown option value, a teacher that does not fit the student, a
            checkpoint without classifier, a student module that the model lacks or does not run.
        FileNotFoundError: A checkpoint that is not there.
    """

    priority = "HIGH"

    def __init__(
        self,
        student_module: str = "backbone",
        teacher: str | dict | None = None,
        classifier: dict | None = None,
        feature: int | str | None = None,
        loss: dict | Sequence[dict] | None = None,
        loss_weight: float | Sequence[float] = 1.0,
        max_weighted_loss: float | None = None,
        eval_mode: str | None = "pretrained",
        agreement: dict | None = None,
        teacher_cache: dict | None = None,
        target_frames: bool = False,
        compile_teacher: bool | dict = False,
    ) -> None:
        self._loss_cfg = loss or dict(type="ImageNetKLLoss")
        self.losses, self.weights = build_losses(self._loss_cfg, loss_weight, _KEY)
        if max_weighted_loss is not None:
            check_number(f"{_KEY}.max_weighted_loss", max_weighted_loss, zero=False)
            if self.weights[0] == 0 or len(self.weights) > 1:
                why = "adds nothing that could be" if self.weights[0] == 0 else "is not one that is"
                raise ValueError(
                    f"{_KEY}.max_weighted_loss: got {max_weighted_loss!r} with "
                    f"loss_weight={loss_weight!r}, which {why} capped. Remove one of the two"
                )
        check_eval_mode(eval_mode, f"{_KEY}.eval_mode")
        self._compile_options = check_compile(compile_teacher)
        self.student_module = student_module
        self.teacher_cfg = teacher
        self.classifier_cfg = classifier
        self.feature = feature
        self.loss_weight = loss_weight
        self.max_weighted_loss = max_weighted_loss
        self.eval_mode = eval_mode
        #: Read by the hooks that run the model on target frames, too.
        self.target_frames = target_frames
        #: The first loss: the one that a policy observes.
        self.loss: nn.Module = self.losses[0]
        self._agreement = Agreement(**agreement) if agreement is not None else None
        self._cache = TeacherCache(**teacher_cache) if teacher_cache is not None else None
        if self._cache is not None and target_frames:
            raise ValueError(
                f"{_KEY}.target_frames: got {target_frames!r} with teacher_cache, which knows the "
                "images of the training's own batches alone. Remove one of the two"
            )
        other = [str(one.needs) for one in self.losses if one.needs != "predictions"]
        if self._cache is not None and other:
            raise ValueError(
                f"{_KEY}.teacher_cache keeps predictions, but loss={loss!r} compares "
                f"{other[0]}. Remove teacher_cache, or use ImageNetKLLoss"
            )
        self._state = LossState(self.losses)
        self.teacher: ImageNetTeacher | None = None
        self._student: nn.Module | None = None
        self._loss_tap: LossTap | None = None
        self._check_start = True

    # -- building ---------------------------------------------------------------------------

    def before_run(self, runner: Runner) -> None:
        """Build the teacher: errors come before mmengine initialises the model from the file."""
        TrainingCheckHook.join(runner)
        if not trains(runner) or self.teacher is not None:
            return  # no training, or a test after one
        if self._agreement is not None:
            self._agreement.check(runner)
        KLWatchHook.join(runner, self)
        # Whatever the teacher's initialisation draws, the training draws the same as without.
        with kept_randomness(cuda=True):
            model, loop = unwrap(runner.model), getattr(runner, "_train_loop", None)
            self.teacher = self._build_teacher(runner, model)
            self._state.build(
                self.teacher,
                next(model.parameters()).device,
                getattr(getattr(loop, "dataloader", None), "batch_size", None),
                getattr(runner, "optim_wrapper", None),
            )

    def trained_with(self) -> dict:
        """Return the settings that decide about the result, for a resume to compare."""
        names = "student_module feature loss_weight max_weighted_loss eval_mode target_frames"
        cfg = dict(teacher=self.teacher_cfg, classifier=self.classifier_cfg, loss=self._loss_cfg)
        return cfg | {name: getattr(self, name) for name in names.split()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note that weights of another training are there, not to be compared with ImageNet's."""
        self._check_start = False
        if self.teacher is not None and runner._resume:
            self._state.load_state_dict(checkpoint.get(_STATE))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep what the losses have learned and remember."""
        if state := self._state.state_dict():
            checkpoint[_STATE] = state

    def before_train(self, runner: Runner) -> None:
        """Attach to the model; it has its weights by now."""
        assert self.teacher is not None
        model = unwrap(runner.model)
        student = self._student = model.get_submodule(self.student_module)
        self._pretrained = self.teacher.loaded
        self._eval_mode = EvalMode(model, self.eval_mode, self.student_module, self._pretrained)
        self.teacher.to(next(model.parameters()).device)
        self._distances = Distances(
            self.losses, self.teacher, student, self.student_module, self._cache
        )
        self._loss_tap = LossTap(model, self._before_loss, self._after_loss)
        if self._cache is not None:
            self._cache.open(self.teacher, model, runner.train_dataloader.dataset)

    def _build_teacher(self, runner: Runner, model: nn.Module) -> ImageNetTeacher:
        name = find_student(model, self.student_module, self.teacher_cfg is not None)
        if name != self.student_module:
            print_log(f"{_KEY}: the ImageNet part of the model is '{name}'", logger="current")
        self.student_module = name
        return build_teacher(
            plain_student(model, name, runner.cfg.get("model")),
            self.teacher_cfg,
            self.classifier_cfg,
            self.feature,
            with_classifier=self._agreement is not None
            or any(loss.needs == "predictions" for loss in self.losses),
            compile_options=self._compile_options,
            stages=stages_of(self.losses),
        )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Set the layers' modes anew: mmengine's loops call ``model.train()`` more than once."""
        self._eval_mode.apply()
        self._distances.rows = None if self.target_frames else source_samples(data_batch)
        if self._cache is not None:
            self._cache.begin(data_batch)

    def after_train(self, runner: Runner) -> None:
        """Detach, and measure on request how much of ImageNet is left."""
        if self._loss_tap is None:
            return
        self._distances.remove()
        self._loss_tap.remove()
        self._loss_tap = None
        if self._cache is not None:
            self._cache.close()
        if self._agreement is not None:
            assert self.teacher is not None and self._student is not None
            self._agreement.measure(runner, self._student, self.teacher)

    # -- the loss ---------------------------------------------------------------------------

    def _before_loss(self) -> None:
        self._distances.begin()

    def _after_loss(self, losses: dict) -> dict[str, Tensor]:
        self._distances.end()
        names = [str(loss.log_name) for loss in self.losses]
        if taken := [key for key in ("loss_imagenet", *names) if key in losses]:
            raise ValueError(
                f"{_KEY}: the model already returns {first_of([repr(k) for k in taken])}. Use one "
                "consistency hook, and a loss whose log_name is its own"
            )
        try:
            # With weight 0 the distance is only measured: nothing of the training may change.
            measures = self.weights == [0]
            with torch.set_grad_enabled(not measures and torch.is_grad_enabled()):
                raw = self._distances.measure()
        finally:
            self._distances.clear()
        if self._check_start:
            self._check_start = False
            self._compare_start(raw)
        found = {name: value.detach() for name, value in zip(names, raw, strict=True)}
        if measures:
            return found
        if len(raw) == 1:
            return {"loss_imagenet": self._weight(raw[0].detach()) * raw[0], **found}
        terms = [weight * value for weight, value in zip(self.weights, raw, strict=True)]
        return {"loss_imagenet": torch.stack(terms).sum(), **found}

    def _weight(self, raw: Tensor) -> Tensor | float:
        """Return this iteration's weight: ``w``, or what caps ``w * KL``."""
        if self.max_weighted_loss is None:
            return self.weights[0]
        raw = raw.clone()
        all_reduce(raw, op="mean")
        weight = torch.full_like(raw, self.weights[0])
        return torch.where(
            weight * raw > self.max_weighted_loss, self.max_weighted_loss / raw, weight
        )

    def _compare_start(self, raw: list[Tensor]) -> None:
        for loss, found in zip(self.losses, raw, strict=True):
            if getattr(loss, "zero_at_start", True):
                report_start(found, str(loss.log_name), self.student_module, _KEY)
