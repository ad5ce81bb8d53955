"""Test-time augmentation of classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseTTAModel
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement

from mmasg.datasets.classification_sample import set_prediction


@MODELS.register_module()
class SigmoidMeanTTAModel(BaseTTAModel):
    """Mean of the sigmoid outputs over the augmented views of an image.

    ASG tests VisDA-17 so, with the image and its mirror image as the views. Takes the arguments
    of mmengine's ``BaseTTAModel``; give it as ``tta_model`` along with a ``tta_pipeline``.
    """

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[BaseDataElement]]
    ) -> list[BaseDataElement]:
        """Merge the predictions of each image's views.

        Args:
            data_samples_list: For each image the samples of its views, with ``pred_logits``.

        Returns:
            For each image its first view's sample, ``pred_score`` being the mean of the sigmoids.

        Raises:
            ValueError: If the model's predictions contain no logits.
        """
        merged = []
        for views in data_samples_list:
            if not all("pred_logits" in view for view in views):
                raise ValueError(
                    "SigmoidMeanTTAModel needs pred_logits in the predictions; use it with "
                    "SynRealClassifier, or test without --tta"
                )
            logits = torch.stack([view.pred_logits for view in views])
            scores = logits.float().sigmoid().mean(dim=0)
            sample = views[0]
            set_prediction(sample, scores)
            del sample.pred_logits
            merged.append(sample)
        return merged
