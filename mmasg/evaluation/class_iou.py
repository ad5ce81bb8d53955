"""mmseg's IoU metric, with the IoU of every class among the numbers it returns."""

from __future__ import annotations

import numpy as np
from mmengine.registry import METRICS
from mmseg.evaluation import IoUMetric


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """MMSegmentation's ``IoUMetric``, which also returns each class' IoU in percent.

    mmseg prints the classes' table but returns (and so writes to JSON and TensorBoard) the means
    only. Arguments and table are ``IoUMetric``'s; ``IoU/<class>`` is added to the metrics, NaN
    where a class is neither in the labels nor predicted.
    """

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the means and ``IoU/<class>``."""
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        areas = [sum(column) for column in zip(*results, strict=True)]
        per_class = self.total_area_to_metrics(
            *areas, self.metrics, self.nan_to_num, self.beta
        ).get("IoU")
        if per_class is not None:
            for name, iou in zip(self.dataset_meta["classes"], np.asarray(per_class), strict=True):
                metrics[f"IoU/{name.replace(' ', '_')}"] = round(float(iou) * 100, 2)
        return metrics
