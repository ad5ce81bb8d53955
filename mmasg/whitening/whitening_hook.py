"""The hook that adds instance selective whitening to any model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from mmasg.adaptation.strong_augmentation import strong_augmentation
from mmasg.consistency.eval_mode import get_student
from mmasg.consistency.taps import FeatureTap, LossTap
from mmasg.errors import wrong
from mmasg.reproducible.kept_randomness import kept_randomness
from mmasg.wrapped_model import unwrap

from .covariances import instance_covariance, pair_variance, sensitive_mask, whitening_loss

_KEY = "InstanceWhiteningHook"
_STATE = "instance_whitening"


@HOOKS.register_module()
class InstanceWhiteningHook(Hook):
    """Whiten what in the features changes with an image's photometry, and leave the rest.

    Instance selective whitening (ISW) of RobustNet (Choi et al., CVPR 2021). From iteration
    ``start`` on, for ``gather`` iterations, the features of every training image and of a copy with
    other colours and blur are compared: how much each covariance between two channels differs.
    The covariances that differ the most (k-means) are then pulled to 0 by

        ``loss_whitening = loss_weight * mean over stages of`` :func:`whitening_loss`

    RobustNet puts instance normalisation into the network at these places; here the covariances are
    those of instance-normalised features, and the network stays the ImageNet network, whatever it
    is. Both at once: ``IBNResNet`` as backbone. Logged: ``loss_whitening``, and ``whitening``
    without its weight. The statistics and the choice travel in the checkpoint.

    Args:
        stages (list[int | str]): Which feature maps: indices of the backbone's outputs, names of
            submodules whose input is taken, or names with ``':output'`` behind. RobustNet's are the
            early ones: stem and first two stages.
        loss_weight (float): Defaults to 0.6, the paper's.
        start (int): Iteration from which statistics are gathered: the paper waits until the network
            has learned something. Defaults to 0.
        gather (int): Iterations that gather; each costs two forward passes of the backbone more.
            Defaults to 50.
        clusters (int): k of k-means. Defaults to 3.
        kept (int): Clusters of the lowest variance that are left alone. Defaults to 1.
        student_module (str): Dotted name of the backbone. Defaults to ``'backbone'``.

    Raises:
        TypeError: ``stages`` is no list.
        ValueError: A number out of its range, a stage that the backbone does not have or that is no
            map of two channels or more, or a training that ends before all is gathered.
    """

    # After the consistency hook (HIGH) and the keyed randomness of the iteration (VERY_HIGH).
    priority = "NORMAL"

    def __init__(
        self,
        stages: Sequence[int | str],
        loss_weight: float = 0.6,
        start: int = 0,
        gather: int = 50,
        clusters: int = 3,
        kept: int = 1,
        student_module: str = "backbone",
    ) -> None:
        if isinstance(stages, str) or not isinstance(stages, Sequence) or not stages:
            allowed = "a list of output indices or names of submodules, such as [0, 1]"
            raise TypeError(wrong(f"{_KEY}.stages", stages, allowed))
        for name, value, good, allowed in (
            ("loss_weight", loss_weight, 0 < loss_weight < float("inf"), "a number above 0"),
            ("start", start, isinstance(start, int) and start >= 0, "0, 1, 2, ..."),
            ("gather", gather, isinstance(gather, int) and gather >= 1, "1, 2, 3, ..."),
            ("clusters", clusters, isinstance(clusters, int) and clusters >= 2, "2, 3, 4, ..."),
            ("kept", kept, isinstance(kept, int) and 1 <= kept < clusters, "1 to clusters - 1"),
        ):
            if not good:
                raise ValueError(wrong(f"{_KEY}.{name}", value, allowed))
        self.stages = list(dict.fromkeys(stages))
        self.loss_weight = loss_weight
        self.start, self.gather = start, gather
        self.clusters, self.kept = clusters, kept
        self.student_module = student_module
        #: Mean variances so far, (C, C) a stage, and from how many iterations.
        self._variances: list[Tensor] = []
        self._count = 0
        self._masks: list[Tensor] = []
        self._taps: list[FeatureTap] = []
        self._loss_tap: LossTap | None = None

    def trained_with(self) -> dict:
        """Return the settings that decide about the result, for a resume to compare."""
        names = ("stages", "loss_weight", "start", "gather", "clusters", "kept", "student_module")
        return {name: getattr(self, name) for name in names}

    def before_train(self, runner: Runner) -> None:
        """Attach to the model."""
        if self.start + self.gather > runner.max_iters:
            raise ValueError(
                wrong(
                    f"{_KEY}.start + gather",
                    self.start + self.gather,
                    f"at most the training's {runner.max_iters} iterations",
                    "The loss begins with the last that gathers; gather less, or earlier.",
                )
            )
        model = unwrap(runner.model)
        self._student = get_student(model, self.student_module, f"{_KEY}.student_module")
        self._taps = [FeatureTap(self._student, s, f"{_KEY}.stages") for s in self.stages]
        self._loss_tap = LossTap(model, self._before_loss, self._after_loss)
        device = next(model.parameters()).device
        self._variances = [v.to(device) for v in self._variances]
        self._choose()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Gather, in the iterations that do."""
        if runner.iter < self.start or self._count >= self.gather:
            return
        model = unwrap(runner.model)
        with torch.no_grad(), kept_randomness():
            copies = [strong_augmentation(image) for image in data_batch["inputs"]]
            changed = {**data_batch, "inputs": copies}
            pairs = zip(self._covariances(model, data_batch), self._covariances(model, changed),
                        strict=True)  # fmt: skip
            found = [pair_variance(one, other) for one, other in pairs]
        for variance in found:
            all_reduce(variance, op="mean")
        if not self._variances:
            self._variances = [torch.zeros_like(variance) for variance in found]
        self._count += 1
        for mean, variance in zip(self._variances, found, strict=True):
            mean.lerp_(variance, 1 / self._count)
        self._choose()

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        for tap in self._taps:
            tap.remove()
        if self._loss_tap is not None:
            self._loss_tap.remove()
        self._taps, self._loss_tap = [], None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the statistics."""
        variances = [variance.cpu() for variance in self._variances]
        checkpoint[_STATE] = dict(count=self._count, variances=variances)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take them up again in a run that resumes."""
        if runner._resume:
            saved = checkpoint.get(_STATE) or dict(count=0, variances=[])
            self._count, self._variances = saved["count"], list(saved["variances"])

    def _choose(self) -> None:
        """Make the masks, once all is gathered: what they are follows from the statistics alone."""
        if self._count < self.gather:
            return
        self._masks = [sensitive_mask(v, self.clusters, self.kept) for v in self._variances]
        shares = (
            f"{stage!r} {int(mask.sum())} of {len(mask) * (len(mask) - 1) // 2}"
            for stage, mask in zip(self.stages, self._masks, strict=True)
        )
        print_log(f"{_KEY}: covariances to whiten: {', '.join(shares)}", logger="current")

    def _covariances(self, model: nn.Module, batch: dict) -> list[Tensor]:
        """Covariances of the stages, in eval mode, the modes put back."""
        data = model.data_preprocessor(copy.deepcopy(batch), True)  # type: ignore[operator]
        modes = [(module, module.training) for module in self._student.modules()]
        self._student.eval()
        self._before_loss()
        try:
            self._student(data["inputs"])
            return [instance_covariance(features) for features in self._features()]
        finally:
            self._end()
            for module, training in modes:
                module.training = training

    def _before_loss(self) -> None:
        for tap in self._taps:
            tap.clear()
            tap.enabled = True

    def _after_loss(self, losses: dict) -> dict[str, Tensor]:
        try:
            if not self._masks:
                return {}
            pairs = zip(self._features(), self._masks, strict=True)
            value = torch.stack([whitening_loss(maps, mask) for maps, mask in pairs]).mean()
        finally:
            self._end()
        return {"loss_whitening": self.loss_weight * value, "whitening": value.detach()}

    def _end(self) -> None:
        for tap in self._taps:
            tap.enabled = False
            tap.clear()

    def _features(self) -> list[Tensor]:
        """What the stages gave in this forward, one map a stage."""
        found = []
        for tap in self._taps:
            # The first: whoever runs the model again (a mean teacher) does it after the source.
            maps = tap.features[0] if tap.features else None
            if maps is None or maps.ndim != 4 or maps.shape[1] < 2:
                got = "nothing" if maps is None else f"a feature of shape {tuple(maps.shape)}"
                allowed = "a map (N, C, H, W) of two channels or more, which the model runs"
                raise ValueError(wrong(f"{_KEY}.stages", tap.feature, allowed, f"It gave {got}."))
            found.append(maps)
        return found
