"""The hook of a self-training round: what pseudo-labelled samples pay beside the cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner
from torch import Tensor, nn

from mmasg.consistency.taps import LossTap
from mmasg.datasets.pseudo_labelled import is_pseudo_labelled
from mmasg.errors import wrong
from mmasg.wrapped_model import unwrap

from .confidence_losses import soft_excess
from .scored_batch import ScoredBatch, padded

_KEY = "SelfTrainingHook"


@HOOKS.register_module()
class SelfTrainingHook(Hook):
    """Confidence regularisation on the pseudo-labelled samples of a batch, and on them alone.

    CRST (Zou, Yu, Liu, Kumar, Wang, ICCV 2019), equations 3 and 4 and table 1: the term stands
    beside the cross-entropy of the target's labelled pixels and is divided by the same number of
    pixels, so that ``loss_weight`` of the regulariser is the paper's alpha. Samples are told apart
    by ``PackPseudoLabels``, the last step of their pipeline; ``tools/self_train.py`` writes both
    into the config of a round.

    Logged: the regulariser by its ``loss_name`` (``loss_mrkld``), and ``loss_lrent``, which turns
    the cross-entropy with the hard labels into that with the soft ones and may be negative.

    Args:
        regularizer (dict, optional): A loss called with ``(pred, label, weight=..., ignore_index=
            ...)``, as ``dict(type='MRKLDLoss', loss_weight=0.1)``. Defaults to None.
        soft_labels (bool): Whether labels are soft (LRENT; loaded by ``LoadSoftLabels``). Defaults
            to False.

    Raises:
        TypeError: ``regularizer`` is no loss's config.
        ValueError: Neither is asked for; soft labels with a model that is not trained by a plain
            cross-entropy, or samples without any.
    """

    priority = "NORMAL"

    def __init__(self, regularizer: dict | None = None, soft_labels: bool = False) -> None:
        if regularizer is not None and not isinstance(regularizer, Mapping):
            allowed = "dict(type='MRKLDLoss', loss_weight=0.1), or None"
            raise TypeError(wrong(f"{_KEY}.regularizer", regularizer, allowed))
        if regularizer is None and not soft_labels:
            raise ValueError(
                f"{_KEY}: neither regularizer nor soft_labels is set, so it would do nothing. "
                "Leave the hook out (that is CBST), or set one."
            )
        self._cfg = regularizer
        self.regularizer: nn.Module | None = MODELS.build(regularizer) if regularizer else None
        self.soft_labels = soft_labels
        self._batch: ScoredBatch | None = None
        self._tap: LossTap | None = None
        self._samples: Any = None

    def trained_with(self) -> dict:
        """Return the settings that decide about the result, for a resume to compare."""
        return dict(regularizer=self._cfg, soft_labels=self.soft_labels)

    def before_train(self, runner: Runner) -> None:
        """Attach to the model."""
        model = unwrap(runner.model)
        self._batch = ScoredBatch(model, _KEY)
        if self.soft_labels:
            self._batch.need_cross_entropy(f"{_KEY}.soft_labels")
        self._tap = LossTap(model, self._batch.clear, self._after_loss)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note whose samples the batch holds."""
        self._samples = data_batch["data_samples"]

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        if self._tap is not None and self._batch is not None:
            self._tap.remove()
            self._batch.remove()
            self._tap = self._samples = None

    def _after_loss(self, losses: dict) -> dict[str, Tensor]:
        assert self._batch is not None
        pred, label, ignored = self._batch.take(self._samples)
        own = torch.tensor([is_pseudo_labelled(s) for s in self._samples], device=pred.device)
        mask = own.view(-1, *[1] * (label.dim() - 1)).expand_as(label).float()
        labelled = (label != ignored).sum().clamp(min=1)
        # The cross-entropy's own divisor; what the losses here divide by is what has a label.
        share = labelled / self._batch.divisor(label, ignored)
        found: dict[str, Tensor] = {}
        if self.regularizer is not None:
            name = str(getattr(self.regularizer, "loss_name", "loss_regularizer"))
            value = self.regularizer(pred, label, weight=mask, ignore_index=ignored)
            found[name] = self._batch.weight * share * value
        if self.soft_labels:
            classes, weights = self._soft(label)
            excess = soft_excess(pred, label, classes, weights, ignored)
            found["loss_lrent"] = (
                self._batch.weight * share * (excess * mask * (label != ignored)).sum() / labelled
            )
        return found

    def _soft(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Candidate classes and weights of the batch, (N, M, ...); zeros for the source's."""
        maps: list[Any] = []
        for sample in self._samples:
            if not is_pseudo_labelled(sample):
                maps.append(None)
            elif "soft_labels" in sample:
                maps.append(sample.soft_labels)
            else:
                raise ValueError(
                    f"{_KEY}.soft_labels: a sample of the target has none. Put LoadSoftLabels "
                    "behind LoadAnnotations in its pipeline, or leave soft_labels out."
                )
        empty = torch.zeros((3, *label.shape[1:]), dtype=torch.uint8, device=label.device)
        fields = []
        for field in ("classes", "weights"):
            each = [empty if m is None else padded(m.get(field), empty) for m in maps]
            fields.append(torch.stack(each))
        return fields[0], fields[1]
