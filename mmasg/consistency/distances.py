"""What a forward pass of the student gives the losses to compare with the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .taps import FeatureTap
from .teacher import ImageNetTeacher, Prediction
from .teacher_cache import TeacherCache

_KEY = "ImageNetConsistencyHook"


class Distances:
    """Record what the student sees and gives, and compare it by every loss.

    Args:
        losses: As :mod:`mmasg.consistency.losses` describes them.
        teacher: With the stages of the losses that need some.
        student: The part of the model that is compared.
        name: Its name in the model, for messages.
        cache: Where the teacher's predictions are kept; None: nowhere.

    Raises:
        ValueError: The student has no such feature.
    """

    def __init__(
        self,
        losses: Sequence[nn.Module],
        teacher: ImageNetTeacher,
        student: nn.Module,
        name: str,
        cache: TeacherCache | None = None,
    ) -> None:
        self.losses = losses
        self.teacher = teacher
        self.student = student
        self.name = name
        self.cache = cache
        #: Which samples of the batch are compared; None: all.
        self.rows: list[int] | None = None
        self._tap = FeatureTap(student, teacher.feature, f"{_KEY}.feature")
        self._stage_taps = {
            stage: FeatureTap(student, stage, f"{_KEY}.loss.stages") for stage in stages_of(losses)
        }

    def begin(self) -> None:
        """Record from now on."""
        for tap in self._taps():
            tap.clear()
            tap.enabled = True

    def end(self) -> None:
        """Record no more; what was recorded stays until :meth:`clear`."""
        for tap in self._taps():
            tap.enabled = False

    def clear(self) -> None:
        """Forget what was recorded, so that no graph is kept alive."""
        for tap in self._taps():
            tap.clear()

    def remove(self) -> None:
        """Detach from the student."""
        for tap in self._taps():
            tap.remove()

    def measure(self) -> list[Tensor]:
        """Return each loss's raw distance, averaged over the student's calls in this forward.

        Raises:
            ValueError: The student, or a feature of it, did not run.
        """
        rows: list[list[Tensor]] = [[] for _ in self.losses]
        for loss, row in zip(self.losses, rows, strict=True):
            if loss.needs == "weights":
                row.append(self._weights(loss))
        if any(loss.needs != "weights" for loss in self.losses):
            self._check_ran()
            for call, inputs in enumerate(self._tap.inputs):
                target = None if self.cache is not None else self.teacher(self._chosen(inputs))
                for loss, row in zip(self.losses, rows, strict=True):
                    if loss.needs != "weights":
                        row.append(self._compare(loss, call, inputs, target))
        return [row[0] if len(row) == 1 else torch.stack(row).mean() for row in rows]

    def _taps(self) -> list[FeatureTap]:
        return [self._tap, *self._stage_taps.values()]

    def _compare(
        self, loss: nn.Module, call: int, inputs: Tensor, target: Prediction | None
    ) -> Tensor:
        if loss.needs == "stages":
            assert target is not None
            ours = [self._given(self._stage_taps[stage], call) for stage in _stages(loss)]
            return loss(ours, [target.stages[stage] for stage in _stages(loss)])
        features = self._given(self._tap, call)
        if target is None:
            assert self.cache is not None
            known = self._chosen(self.cache.predict(self.teacher, inputs))
            return loss(self.teacher.classify(features), known)
        if loss.needs == "features":
            return loss(features, target.features)
        return loss(self.teacher.classify(features), target.logits)

    def _given(self, tap: FeatureTap, call: int) -> Tensor:
        """What the student gave; without a graph where the distance is only measured."""
        given = self._chosen(tap.features[call])
        return given if torch.is_grad_enabled() else given.detach()

    def _chosen(self, values: Tensor) -> Tensor:
        if self.rows is None:
            return values
        return values[torch.tensor(self.rows, device=values.device)]

    def _weights(self, loss: nn.Module) -> Tensor:
        frozen = dict(self.teacher.backbone.named_parameters())
        shared = [
            (p, frozen[n])
            for n, p in self.student.named_parameters()
            if n in self.teacher.loaded and p.requires_grad
        ]
        return loss([p for p, _ in shared], [t for _, t in shared])

    def _check_ran(self) -> None:
        for tap in self._taps():
            if not tap.features:
                raise ValueError(
                    f"{_KEY}.student_module: the model did not run '{self.name}' (or its "
                    f"feature {tap.feature!r}) in forward(mode='loss'), so there is nothing "
                    "to keep close to ImageNet. Name the module that the model calls"
                )


def stages_of(losses: Sequence[nn.Module]) -> list[int | str]:
    """Return the stages that any of the losses compares, each once."""
    return list(dict.fromkeys(stage for loss in losses for stage in _stages(loss)))


def _stages(loss: nn.Module) -> Sequence[int | str]:
    return loss.stages if loss.needs == "stages" else ()  # type: ignore[return-value]
