"""Distances between a student and its frozen ImageNet teacher, on plain tensors.

Each loss says in ``needs`` what it compares: ``'predictions'`` (ImageNet logits), ``'features'``
(feature maps), ``'stages'`` (several of them, by its attribute ``stages``) or ``'weights'``
(parameters), and in ``log_name`` under which key its raw value is logged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ImageNetKLLoss(nn.Module):
    """KL divergence of the student's ImageNet prediction from the teacher's (ASG, section 3.1).

    ``(1/N) * sum_n sum_c p_t[n,c] * (log p_t[n,c] - log p_s[n,c])``, temperature 1, in float32
    whatever the precision of the networks.

    Shape:
        - student: (N, C) logits; gradients flow here.
        - teacher: (N, C) logits.
        - output: scalar.

    Raises:
        ValueError: The shapes differ or are not (N, C).
    """

    needs = "predictions"
    log_name = "kl_imagenet"

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the divergence in nats, averaged over the batch."""
        _same_shape(student, teacher, 2, "logits (N, C)")
        return F.kl_div(
            F.log_softmax(student.float(), dim=1),
            F.log_softmax(teacher.detach().float(), dim=1),
            reduction="batchmean",
            log_target=True,
        )


class FeatureL2Loss(nn.Module):
    """Squared L2 distance of the feature vectors, averaged over images and positions.

    Papers on synthetic-to-real generalisation compare it with ASG as "feature L2 distance".

    Shape:
        - student: (N, C, H, W) or (N, L, C), gradients flow here.
        - teacher: the same shape.
        - output: scalar, ``mean_{n,h,w} sum_c (s - t)^2``.

    Raises:
        ValueError: The shapes differ.
    """

    needs = "features"
    log_name = "feature_l2_imagenet"

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the mean squared distance."""
        student, teacher, channels = _channels(student, teacher)
        return (student - teacher).square().sum(dim=channels).mean()


class FeatureCosineLoss(nn.Module):
    """One minus the cosine of the feature vectors, averaged over images and positions.

    Shape:
        - student: (N, C, H, W) or (N, L, C), gradients flow here.
        - teacher: the same shape.
        - output: scalar in [0, 2].

    Raises:
        ValueError: The shapes differ.
    """

    needs = "features"
    log_name = "feature_cosine_imagenet"

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the mean cosine distance."""
        student, teacher, channels = _channels(student, teacher)
        return (1.0 - F.cosine_similarity(student, teacher, dim=channels)).mean()


class WeightL2Loss(nn.Module):
    """Half the squared L2 distance of the student's weights to the ImageNet weights (L2-SP).

    Source: Li et al., *Explicit Inductive Bias for Transfer Learning*, ICML 2018, equation 2.

    Shape:
        - student: sequence of parameters, gradients flow here.
        - teacher: sequence of tensors of the same shapes.
        - output: scalar, ``0.5 * sum (w - w0)^2`` over all parameters.

    Raises:
        ValueError: The sequences differ in length or shapes.
    """

    needs = "weights"
    log_name = "weight_l2_imagenet"

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Return half the squared distance."""
        if [w.shape for w in student] != [w.shape for w in teacher] or not student:
            raise ValueError(
                f"WeightL2Loss: got {len(student)} student and {len(teacher)} teacher tensors; "
                "they have to be the same parameters of the same shapes"
            )
        terms = [
            (s.float() - t.detach().float()).square().sum()
            for s, t in zip(student, teacher, strict=True)
        ]
        return 0.5 * torch.stack(terms).sum()


def _same_shape(student: Tensor, teacher: Tensor, ndim: int | None, what: str) -> None:
    if student.shape != teacher.shape or (ndim is not None and student.ndim != ndim):
        raise ValueError(
            f"got a student of shape {tuple(student.shape)} and a teacher of shape "
            f"{tuple(teacher.shape)}; both have to be {what} of the same shape"
        )


def _channels(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor, int]:
    """Check two feature maps; returns them in float32 and the axis of their channels."""
    _same_shape(student, teacher, None, "feature maps (N, C, H, W) or (N, L, C)")
    return student.float(), teacher.detach().float(), 1 if student.ndim == 4 else -1
