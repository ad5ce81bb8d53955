"""mIoU on several targets in one test run, and over the classes of SYNTHIA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from mmengine.registry import METRICS
from prettytable import PrettyTable

from mmasg.datasets.class_maps import SYNTHIA_13, SYNTHIA_16

SUBSETS: dict[str, tuple[str, ...]] = {"synthia16": SYNTHIA_16, "synthia13": SYNTHIA_13}


@METRICS.register_module()
class MultiTargetIoUMetric(BaseMetric):
    """IoU of every class on every target, and the mean over the targets.

    The target of an image is what its sample says (``domain`` in its meta information, which the
    data sets of this package put there), so that batches may mix targets. IoU is computed from
    the pixels of all images of a target; pixels that hold the ignore index do not count.

    Args:
        targets: The targets that are expected, in the order of the table; a test run that lacks
            one of them, or meets another, is an error. Default: whatever comes, by name.
        subsets: Further averages of the same IoUs: names out of ``'synthia16'`` and
            ``'synthia13'`` (the classes that SYNTHIA's literature reports), or a dict from a
            name to a list of class names. Default: none.
        per_class: Return the IoU of every class and target as well. Default True.
        ignore_index: Default 255.
        **kwargs: As for mmengine's ``BaseMetric`` (``collect_device``, ``prefix``).

    Returns from :meth:`evaluate`, in per cent:
        ``mIoU``: mean over the targets, ``mIoU/TARGET``, ``mIoU_SUBSET``,
        ``mIoU_SUBSET/TARGET``, ``aAcc/TARGET`` (share of correct pixels) and, by ``per_class``,
        ``IoU/TARGET/CLASS`` (NaN for a class that is neither in the truth nor predicted, which
        the means leave out).

    Raises:
        ValueError: A subset or a target is unknown; a sample does not say its domain; predictions
            and truth differ in size.
    """

    def __init__(
        self,
        targets: Sequence[str] | None = None,
        subsets: Sequence[str] | Mapping[str, Sequence[str]] = (),
        per_class: bool = True,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(targets, str) or (targets is not None and len(set(targets)) != len(targets)):
            raise ValueError(
                f"MultiTargetIoUMetric: targets must be a list of different names, not {targets!r}"
            )
        self.targets = None if targets is None else list(targets)
        self.subsets = _subsets(subsets)
        self.per_class = per_class
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Counts the pixels of a batch.

        Args:
            data_batch: Unused.
            data_samples: Each with ``pred_sem_seg``, ``gt_sem_seg`` and ``domain``.
        """
        classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            domain = sample.get("domain")
            if domain is None:
                raise ValueError(
                    f"MultiTargetIoUMetric: the sample {sample.get('img_path')} does not say its "
                    "domain. Use this package's data sets (Cityscapes19Dataset, ...), or pack it: "
                    "PackSegInputs(meta_keys=(..., 'domain'))"
                )
            if self.targets is not None and domain not in self.targets:
                raise ValueError(
                    f"MultiTargetIoUMetric: the sample {sample.get('img_path')} has the domain "
                    f"{domain!r}, which is not among targets={self.targets}"
                )
            if "gt_sem_seg" not in sample:
                raise ValueError(
                    f"MultiTargetIoUMetric: the sample {sample.get('img_path')} has no labels: "
                    "the test pipeline needs LoadAnnotations"
                )
            predicted = sample["pred_sem_seg"]["data"].squeeze()
            truth = sample["gt_sem_seg"]["data"].squeeze().to(predicted.device)
            self.results.append((domain, self._count(predicted, truth, classes, sample)))

    def _count(
        self, predicted: torch.Tensor, truth: torch.Tensor, classes: int, sample: dict
    ) -> np.ndarray:
        """Pixels per class as (3, classes): correct, predicted, in the truth; int64."""
        if predicted.shape != truth.shape:
            raise ValueError(
                f"MultiTargetIoUMetric: {sample.get('img_path')}: the prediction has shape "
                f"{tuple(predicted.shape)}, the labels {tuple(truth.shape)}. LoadAnnotations "
                "belongs after Resize in a test pipeline"
            )
        counted = truth != self.ignore_index
        predicted, truth = predicted[counted].long(), truth[counted].long()
        if truth.numel() and (int(truth.min()) < 0 or int(truth.max()) >= classes):
            raise ValueError(
                f"MultiTargetIoUMetric: {sample.get('img_path')}: label ids up to "
                f"{int(truth.max())}, but there are {classes} classes: were the labels converted "
                "to training ids? tools/check_data.py CONFIG looks at all of them"
            )
        rows = (predicted[predicted == truth], predicted, truth)
        counts = [torch.bincount(row, minlength=classes)[:classes].cpu() for row in rows]
        return torch.stack(counts).numpy()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Sums up all ranks' counts and prints the table.

        Args:
            results: Pairs of a domain and the counts of one image.

        Returns:
            See the class.
        """
        sums: dict[str, np.ndarray] = {}
        for domain, counts in results:
            sums[domain] = sums.get(domain, 0) + counts
        targets = sorted(sums) if self.targets is None else self.targets
        lacking = [target for target in targets if target not in sums]
        if lacking:
            raise ValueError(
                f"MultiTargetIoUMetric: no image of {lacking} was tested; tested: {sorted(sums)}"
            )
        names = tuple(self.dataset_meta["classes"])
        iou, metrics = {}, {}
        for target in targets:
            correct, predicted, truth = sums[target].astype(np.float64)
            with np.errstate(invalid="ignore"):
                iou[target] = 100 * correct / (predicted + truth - correct)
                metrics[f"aAcc/{target}"] = float(100 * correct.sum() / truth.sum())
        rows = {"mIoU": names, **{f"mIoU_{name}": part for name, part in self.subsets.items()}}
        means: dict[str, dict[str, float]] = {}
        for key, part in rows.items():
            index = _index(names, part, key)
            means[key] = {target: _mean(iou[target][index]) for target in targets}
            metrics.update({f"{key}/{target}": means[key][target] for target in targets})
            metrics[key] = float(np.mean(list(means[key].values())))
        if self.per_class:
            for target in targets:
                for name, value in zip(names, iou[target], strict=True):
                    metrics[f"IoU/{target}/{name}"] = float(value)
        self._print(names, targets, iou, means)
        return metrics

    @staticmethod
    def _print(
        names: Sequence[str],
        targets: Sequence[str],
        iou: Mapping[str, np.ndarray],
        means: Mapping[str, Mapping[str, float]],
    ) -> None:
        table = PrettyTable(["IoU %", *targets, "mean"])
        table.align = "r"
        for index, name in enumerate(names):
            values = np.array([iou[target][index] for target in targets])
            table.add_row([name, *(_cell(value) for value in values), _cell(_mean(values))])
        for key, by_target in means.items():
            values = np.array([by_target[target] for target in targets])
            table.add_row([key, *(_cell(value) for value in values), _cell(float(values.mean()))])
        print_log(f"\n{table.get_string()}", logger=MMLogger.get_current_instance())


def _subsets(subsets: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(subsets, Mapping):
        return {name: tuple(part) for name, part in subsets.items()}
    unknown = [name for name in subsets if name not in SUBSETS]
    if isinstance(subsets, str) or unknown:
        raise ValueError(
            f"MultiTargetIoUMetric: subsets must be a list out of {sorted(SUBSETS)} or a dict of "
            f"class names, not {subsets!r}"
        )
    return {name: SUBSETS[name] for name in subsets}


def _index(names: Sequence[str], part: Sequence[str], key: str) -> list[int]:
    unknown = [name for name in part if name not in names]
    if unknown or not part:
        raise ValueError(
            f"MultiTargetIoUMetric: {key} is over {unknown or 'no classes'}, which the data set "
            f"does not have: {list(names)}"
        )
    return [names.index(name) for name in part]


def _mean(values: np.ndarray) -> float:
    """Mean without NaN; NaN where all are."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
