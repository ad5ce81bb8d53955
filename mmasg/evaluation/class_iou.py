"""mmseg's IoU metric, with the IoU of every class among the numbers it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import MMLogger, print_log
from mmengine.registry import METRICS
from mmseg.evaluation import IoUMetric

from mmasg.errors import did_you_mean, wrong


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """MMSegmentation's ``IoUMetric``, which also returns each class' IoU in percent.

    mmseg prints the classes' table but returns (and so writes to JSON and TensorBoard) the means
    only. Arguments and table are ``IoUMetric``'s; ``IoU/<class>`` is added to the metrics, NaN
    where a class is neither in the labels nor predicted.

    Args:
        *args: As for ``IoUMetric``.
        rare_classes: Classes that the source has not at all, or hardly: ``mIoU_without_rare``,
            the mean over the other classes, is returned and printed beside ``mIoU``, the mean
            over all. Default: none, and no such number.
        **kwargs: As for ``IoUMetric``.

    Raises:
        ValueError: ``rare_classes`` is no list of the data set's classes, or is all of them
            (when the metric is computed, which is when the classes are known).
    """

    def __init__(self, *args: Any, rare_classes: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(rare_classes, str):
            raise ValueError(
                wrong("ClassIoUMetric.rare_classes", rare_classes, "a list of class names")
            )
        if rare_classes and "mIoU" not in self.metrics:
            raise ValueError(
                wrong(
                    "ClassIoUMetric.iou_metrics",
                    self.metrics,
                    "a list with 'mIoU'",
                    "rare_classes is about the mean of the IoU.",
                )
            )
        self.rare_classes = tuple(rare_classes)

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
            if self.rare_classes:
                mean = 100 * self._without_rare(np.asarray(per_class, dtype=np.float64))
                metrics["mIoU_without_rare"] = round(mean, 2)
                print_log(
                    f"mIoU {metrics['mIoU']:.2f} over all classes, {mean:.2f} without "
                    f"{', '.join(self.rare_classes)}",
                    logger=MMLogger.get_current_instance(),
                )
        return metrics

    def _without_rare(self, per_class: np.ndarray) -> float:
        """Mean IoU over the classes that are not rare, NaN left out."""
        names = list(self.dataset_meta["classes"])
        unknown = [name for name in self.rare_classes if name not in names]
        kept = [index for index, name in enumerate(names) if name not in self.rare_classes]
        if unknown or not kept:
            hint = did_you_mean(unknown[0], names).strip() if unknown else ""
            raise ValueError(
                wrong(
                    "ClassIoUMetric.rare_classes",
                    list(self.rare_classes),
                    f"some of the classes {names}, not all of them",
                    hint,
                )
            )
        values = per_class[kept]
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else float("nan")
