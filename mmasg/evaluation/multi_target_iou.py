"""mIoU on several targets in one test run, and over the classes of SYNTHIA."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.registry import METRICS
from mmseg.evaluation import IoUMetric
from prettytable import PrettyTable
from torch import Tensor

from mmasg.datasets.class_maps import SYNTHIA_13, SYNTHIA_16
from mmasg.errors import did_you_mean, wrong

_NAME = "MultiTargetIoUMetric"
SUBSETS: dict[str, tuple[str, ...]] = {"synthia16": SYNTHIA_16, "synthia13": SYNTHIA_13}


@METRICS.register_module()
class MultiTargetIoUMetric(IoUMetric):
    """MMSegmentation's ``IoUMetric`` for every target by itself, and the mean over the targets.

    The target of an image is what its sample says (``domain`` in its meta information, which the
    data sets of this package put there), so that batches may mix targets. IoU is computed from
    the pixels of all images of a target; pixels that hold the ignore index do not count. Pixels
    are counted as integers: ``IoUMetric``'s float32 counts stop at 2**24 for one image and class.

    Args:
        targets: The targets that are expected, in the order of the table; a test run that lacks
            one of them, or meets another, is an error. Default: whatever comes, by name.
        subsets: Further averages of the same IoUs: names out of ``'synthia16'`` and
            ``'synthia13'`` (the classes that SYNTHIA's literature reports), or a dict from a
            name to a list of class names. Default: none.
        per_class: Return the IoU of every class and target as well. Default True.
        ignore_index: Label of the pixels that do not count. Default 255.
        output_dir: Folder for the predictions, ``TARGET_IMAGE.png`` in training ids. Default
            None: not written.
        format_only: Write predictions and compute nothing, for images without labels.
            Default False.
        collect_device: ``'cpu'`` or ``'gpu'``, where the ranks' counts are collected.
            Default ``'cpu'``.
        prefix: Prefix of the names of the results. Default None.

    Returns from :meth:`evaluate`, in per cent:
        ``mIoU``: mean over the targets, ``mIoU/TARGET``, ``mIoU_SUBSET``,
        ``mIoU_SUBSET/TARGET``, ``aAcc/TARGET`` (share of correct pixels) and, by ``per_class``,
        ``IoU/TARGET/CLASS`` (NaN for a class that is neither in the truth nor predicted, which
        the means leave out).

    Raises:
        ValueError: A subset or a target is unknown; ``format_only`` without a folder; a sample
            does not say its domain; predictions and truth differ in size; a label id is no class.
    """

    def __init__(
        self,
        targets: Sequence[str] | None = None,
        subsets: Sequence[str] | Mapping[str, Sequence[str]] = (),
        per_class: bool = True,
        ignore_index: int = 255,
        output_dir: str | None = None,
        format_only: bool = False,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        # IoUMetric swallows every keyword that it does not know: the ones above are all there are.
        super().__init__(
            ignore_index=ignore_index,
            output_dir=output_dir,
            format_only=format_only,
            collect_device=collect_device,
            prefix=prefix,
        )
        if isinstance(targets, str) or (targets is not None and len(set(targets)) != len(targets)):
            raise ValueError(wrong(f"{_NAME}.targets", targets, "a list of different names"))
        if format_only and output_dir is None:
            raise ValueError(
                wrong(
                    f"{_NAME}.format_only",
                    True,
                    "True where output_dir is a folder",
                    "Set output_dir (tools/test.py --out).",
                )
            )
        self.targets = None if targets is None else list(targets)
        self.subsets = _subsets(subsets)
        self.per_class = per_class

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch, and write its predictions where there is a folder for them.

        Args:
            data_batch: Unused.
            data_samples: Each with ``pred_sem_seg``, ``gt_sem_seg``, ``domain`` and ``img_path``.
        """
        for sample in data_samples:
            domain = self._check(sample)
            # IoUMetric names a prediction's file after its image; targets may share names.
            name = f"{domain}_{os.path.basename(sample.get('img_path', ''))}"
            super().process(data_batch, [{**sample, "img_path": name}])
            if not self.format_only:
                self.results[-1] = (domain, self.results[-1])

    def _check(self, sample: Mapping[str, Any]) -> str:
        """Return the domain of a sample that can be counted."""
        domain, where = sample.get("domain"), f"{_NAME}: the sample {sample.get('img_path')}"
        if domain is None:
            raise ValueError(
                f"{where} does not say its domain. Use this package's data sets "
                "(Cityscapes19Dataset, ...), or pack it: PackSegInputs(meta_keys=(..., 'domain'))"
            )
        if self.targets is not None and domain not in self.targets:
            raise ValueError(
                f"{where} has the domain {domain!r}, which is not among targets={self.targets}"
            )
        if self.output_dir is not None and "img_path" not in sample:
            raise ValueError(f"{where} has no img_path, after which its prediction is to be named")
        if self.format_only:
            return domain
        if "gt_sem_seg" not in sample:
            raise ValueError(f"{where} has no labels: the test pipeline needs LoadAnnotations")
        truth = sample["gt_sem_seg"]["data"].squeeze()
        predicted = sample["pred_sem_seg"]["data"].squeeze()
        if predicted.shape != truth.shape:
            raise ValueError(
                f"{where}: the prediction has shape {tuple(predicted.shape)}, the labels "
                f"{tuple(truth.shape)}. LoadAnnotations belongs after Resize in a test pipeline"
            )
        ids, classes = truth[truth != self.ignore_index], len(self.dataset_meta["classes"])
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < classes:
            raise ValueError(
                f"{where}: label ids from {int(ids.min())} to {int(ids.max())}, but there are "
                f"{classes} classes: were the labels converted to training ids? "
                "tools/check_data.py CONFIG looks at all of them"
            )
        return domain

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, ...]:
        """Count the pixels of each class: correct, union, predicted, true; (C,) float64 each."""
        counted = label != ignore_index
        predicted, truth = pred_label[counted].long(), label[counted].long()
        correct, predicted, truth = (
            torch.bincount(ids, minlength=num_classes)[:num_classes].cpu().double()
            for ids in (predicted[predicted == truth], predicted, truth)
        )
        return correct, predicted + truth - correct, predicted, truth

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Sum up all ranks' counts and print the table.

        Args:
            results: Pairs of a domain and the counts of one image.

        Returns:
            See the class.
        """
        if self.format_only:
            return super().compute_metrics(results)
        images: dict[str, list[tuple[Tensor, ...]]] = {}
        for domain, areas in results:
            images.setdefault(domain, []).append(areas)
        targets = sorted(images) if self.targets is None else self.targets
        lacking = [target for target in targets if target not in images]
        if lacking:
            raise ValueError(f"{_NAME}: no image of {lacking} was tested; tested: {sorted(images)}")
        names = tuple(self.dataset_meta["classes"])
        iou, metrics = {}, {}
        for target in targets:
            sums = [sum(areas) for areas in zip(*images[target], strict=True)]
            found = self.total_area_to_metrics(*sums)
            iou[target] = 100 * found["IoU"]
            metrics[f"aAcc/{target}"] = float(100 * found["aAcc"])
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
        print_log(f"\n{table.get_string()}", logger="current")


def _subsets(subsets: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(subsets, Mapping):
        return {name: tuple(part) for name, part in subsets.items()}
    names = [subsets] if isinstance(subsets, str) else list(subsets)
    unknown = [name for name in names if name not in SUBSETS]
    if isinstance(subsets, str) or unknown:
        raise ValueError(
            wrong(
                f"{_NAME}.subsets",
                subsets,
                f"a list out of {sorted(SUBSETS)}, or a dict from names to lists of class names",
                did_you_mean(unknown[0], SUBSETS).strip() if unknown else f"Write [{subsets!r}].",
            )
        )
    return {name: SUBSETS[name] for name in names}


def _index(names: Sequence[str], part: Sequence[str], key: str) -> list[int]:
    unknown = [name for name in part if name not in names]
    if unknown or not part:
        raise ValueError(
            f"{_NAME}: {key} is over {unknown or 'no classes'}, which the data set "
            f"does not have: {list(names)}"
        )
    return [names.index(name) for name in part]


def _mean(values: np.ndarray) -> float:
    """Mean without NaN; NaN where all are."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
