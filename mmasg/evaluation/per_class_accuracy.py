"""Per-class accuracy, VisDA-17's measure."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS
from prettytable import PrettyTable

from mmasg.visualization.confusion_matrix import draw_confusion_matrix


@METRICS.register_module()
class PerClassAccuracy(BaseMetric):
    """Recall of every class and its mean over the classes, in percent.

    VisDA-17's challenge ranks by ``accuracy/mean``, the mean of the recalls, in which every class
    counts the same; ``accuracy/overall`` is the share of right predictions, in which every image
    does. Classes without an image are left out of the mean, with a warning. Works with
    predictions that hold ``gt_label`` and ``pred_label`` (MMPreTrain's as well).

    Args:
        out_dir: Folder for ``confusion_matrix.png`` and ``confusion_matrix.csv`` (rows are true
            classes, columns predicted ones, entries counts), and for ``predictions.csv`` (image,
            label and prediction of every image). Defaults to None: not written.
        collect_device: 'cpu' or 'gpu', where the ranks' results are collected.
            Defaults to 'cpu'.
        prefix: Prefix of the names of the results. Defaults to None, which is 'accuracy'.
        **kwargs: As for mmengine's ``BaseMetric``.
    """

    default_prefix = "accuracy"

    def __init__(
        self,
        out_dir: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, **kwargs)
        self.out_dir = out_dir

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Note the true and the predicted class of every image.

        Args:
            data_batch: Not used.
            data_samples: The model's predictions as dicts.

        Raises:
            ValueError: If an image has no label.
        """
        for sample in data_samples:
            if "gt_label" not in sample:
                raise ValueError(
                    f"PerClassAccuracy: no gt_label for {sample.get('img_path', 'an image')}; "
                    "images without labels can be predicted, but not scored"
                )
            label, prediction = int(sample["gt_label"]), int(sample["pred_label"])
            self.results.append((label, prediction, str(sample.get("img_path", ""))))

    def compute_metrics(self, results: list[tuple[int, int, str]]) -> dict[str, float]:
        """Compute the results of a whole data set.

        Args:
            results: True class, predicted class and path of every image.

        Returns:
            ``mean``, ``overall`` and every class's recall under its name, in percent.
        """
        pairs = np.asarray([result[:2] for result in results], dtype=np.int64)
        names = list((self.dataset_meta or {}).get("classes") or ())
        names += [f"class {i}" for i in range(len(names), int(pairs.max()) + 1)]
        matrix = confusion_matrix(pairs[:, 0], pairs[:, 1], len(names))
        counts = matrix.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            recalls = 100 * matrix.diagonal() / counts
        absent = [name for name, count in zip(names, counts, strict=True) if count == 0]
        if absent:
            print_log(
                f"PerClassAccuracy: no images of {', '.join(absent)}; left out of the mean",
                logger="current",
                level=logging.WARNING,
            )
        mean = float(np.nanmean(recalls))
        overall = float(100 * matrix.trace() / matrix.sum())
        self._print_table(names, counts, recalls, mean)
        if self.out_dir is not None:
            self._write(matrix, names)
            self._write_predictions(results, names)
        present = {
            name: float(recall)
            for name, recall in zip(names, recalls, strict=True)
            if not np.isnan(recall)
        }
        return {**present, "mean": mean, "overall": overall}

    @staticmethod
    def _print_table(
        names: Sequence[str], counts: np.ndarray, recalls: np.ndarray, mean: float
    ) -> None:
        """Write the table of classes to the log."""
        table = PrettyTable(["class", "images", "accuracy (%)"], align="r")
        table.align["class"] = "l"
        for name, count, recall in zip(names, counts, recalls, strict=True):
            table.add_row([name, count, "-" if np.isnan(recall) else f"{recall:.2f}"])
        table.add_row(["mean of the classes", counts.sum(), f"{mean:.2f}"])
        print_log("\n" + table.get_string(), logger="current")

    def _write(self, matrix: np.ndarray, names: Sequence[str]) -> None:
        """Write the confusion matrix as a table and as a picture."""
        assert self.out_dir is not None
        os.makedirs(self.out_dir, exist_ok=True)
        table = os.path.join(self.out_dir, "confusion_matrix.csv")
        with open(table, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["true \\ predicted", *names])
            writer.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
        picture = os.path.join(self.out_dir, "confusion_matrix.png")
        draw_confusion_matrix(matrix, names, picture)
        print_log(f"Confusion matrix: {picture} and {table}", logger="current")

    def _write_predictions(self, results: list[tuple[int, int, str]], names: Sequence[str]) -> None:
        """Write what was predicted for every image."""
        assert self.out_dir is not None
        table = os.path.join(self.out_dir, "predictions.csv")
        with open(table, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "label", "prediction"])
            writer.writerows([path, names[label], names[found]] for label, found, path in results)


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the images of every true and predicted class.

    Args:
        truth: True classes, (N,).
        prediction: Predicted classes, (N,).
        num_classes: Number of classes C.

    Returns:
        Counts, (C, C); rows are true classes.
    """
    index = truth * num_classes + prediction
    return np.bincount(index, minlength=num_classes**2).reshape(num_classes, num_classes)
