"""The data sample of image classification."""

from __future__ import annotations

import torch
from mmengine.structures import BaseDataElement


class ClassificationSample(BaseDataElement):
    """Ground truth and prediction of one image.

    The field names are those of MMPreTrain's ``DataSample``, so that metrics work for both.

    Attributes:
        gt_label (torch.Tensor): Index of the true class, int64, shape (1,). Absent where unknown.
        pred_label (torch.Tensor): Index of the predicted class, int64, shape (1,).
        pred_score (torch.Tensor): Score of every class in [0, 1], shape (classes,). Softmax
            probabilities, or the mean of the sigmoids with test-time augmentation.
        pred_logits (torch.Tensor): Logits, shape (classes,).
    """

    def set_gt_label(self, label: int) -> ClassificationSample:
        """Set the true class.

        Args:
            label: Class index.

        Returns:
            The sample itself.
        """
        self.set_field(torch.tensor([int(label)]), "gt_label", dtype=torch.Tensor)
        return self


def set_prediction(
    sample: BaseDataElement, scores: torch.Tensor, logits: torch.Tensor | None = None
) -> None:
    """Write a prediction into a sample; the predicted class is the one with the highest score.

    Args:
        sample: Any data element (MMPreTrain's as well); changed in place.
        scores: Score of every class, shape (classes,).
        logits: Logits of every class, shape (classes,). Defaults to None: not kept.
    """
    sample.set_field(scores, "pred_score", dtype=torch.Tensor)
    sample.set_field(scores.argmax(dim=0, keepdim=True), "pred_label", dtype=torch.Tensor)
    if logits is not None:
        sample.set_field(logits, "pred_logits", dtype=torch.Tensor)
