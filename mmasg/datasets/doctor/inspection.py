"""The doctor: looks at everything a config would read before a long training reads it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmasg.datasets.class_maps import CLASSES
from mmasg.files.parallel import parallel_map

from .files import Finding, Sample, check_sample, is_there
from .samples import LOADERS, Listing, list_samples

KINDS = {
    "unreadable": "files are unreadable or cut off",
    "size": "labels differ in size from their image",
    "colour": "labels are pictures of colours where ids are due; convert them with "
    "tools/dataset_converters/custom.py --id-map FILE",
    "overflow": "labels hold ids above 255, which are cut to 8 bits while loading",
}


@dataclass
class SplitReport:
    """What was found in one data loader's data.

    Attributes:
        name: ``train``, ``val`` or ``test``.
        datasets: Class names of the data sets.
        classes: Class names.
        listed: Number of samples in the lists.
        opened: Number of samples that were opened.
        errors: What would make a training or a test wrong.
        warnings: What one should know.
        counts: Pixels of every class (images, in classification), int64.
        images: Number of opened samples that contain the class, int64.
        ignored: Ignored pixels.
        unit: ``'pixels'`` or ``'images'``.
    """

    name: str
    datasets: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    listed: int = 0
    opened: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    images: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored: int = 0
    unit: str = "pixels"


def check_config(
    cfg: Config, samples: int | None = 200, workers: int = 0, seed: int = 0
) -> list[SplitReport]:
    """Checks the data of a config's train, val and test data loaders.

    Args:
        cfg: A config as for mmengine's runner.
        samples: How many samples of each data loader are opened, drawn at random; None: all.
            Whether files exist is looked up for all of them in any case. Default 200.
        workers: Processes; 0: one a core.
        seed: Of the draw.

    Returns:
        A report for every data loader that the config has; one that equals an earlier one is
        not looked at twice.

    Raises:
        ValueError: ``samples`` is not positive, or the config has no data loader.
    """
    if samples is not None and samples < 1:
        raise ValueError(f"--samples must be 1 or more, not {samples}")
    init_default_scope(cfg.get("default_scope", "mmengine"))
    reports: list[SplitReport] = []
    seen: list[Any] = []
    train_files: set[str] = set()
    for name, key in LOADERS.items():
        loader = cfg.get(key)
        dataset_cfg = loader.get("dataset") if isinstance(loader, dict) else None
        if dataset_cfg is None or dataset_cfg in seen:
            continue
        seen.append(dataset_cfg)
        listing = list_samples(dataset_cfg)
        report = _check_split(name, listing, samples, workers, seed)
        if name == "train":
            report.errors += _head_errors(cfg.get("model") or {}, len(listing.classes))
            train_files = {sample.image for sample in listing.samples}
        else:
            both = sorted(train_files & {sample.image for sample in listing.samples})
            if both:
                report.warnings.append(f"{len(both)} images are trained on as well: {_first(both)}")
        reports.append(report)
    if not reports:
        raise ValueError(
            "the config has no data: none of train_dataloader, val_dataloader and "
            "test_dataloader names a dataset"
        )
    return reports


def _check_split(
    name: str, listing: Listing, samples: int | None, workers: int, seed: int
) -> SplitReport:
    size = len(listing.classes)
    report = SplitReport(
        name=name,
        datasets=list(dict.fromkeys(listing.names)),
        classes=listing.classes,
        listed=len(listing.samples),
        errors=list(listing.errors),
        warnings=list(listing.warnings),
        counts=np.zeros(size, np.int64),
        images=np.zeros(size, np.int64),
    )
    if any(sample.class_id is not None for sample in listing.samples):
        report.unit = "images"
    present = _missing(listing.samples, report)
    chosen = present
    if samples is not None and samples < len(present):
        chosen = random.Random(seed).sample(present, samples)
    findings = list(parallel_map(check_sample, chosen, workers, name)) if chosen else []
    report.opened = len(findings)
    _collect(report, chosen, findings, listing)
    if samples is not None and report.opened < len(present):
        report.warnings.append(
            f"only {report.opened} of {len(present)} samples were opened (--all opens every one)"
        )
    return report


def _missing(samples: Sequence[Sample], report: SplitReport) -> list[Sample]:
    """Reports images and labels that do not exist; returns the samples that are whole."""
    lost_images, lost_labels, present = [], [], []
    for sample in samples:
        image = is_there(sample.image, sample.backend_args)
        label = sample.label is None or is_there(sample.label, sample.backend_args)
        if not image:
            lost_images.append(sample.image)
        if not label:
            lost_labels.append(str(sample.label))
        if image and label:
            present.append(sample)
    for what, lost in (("images", lost_images), ("labels", lost_labels)):
        if lost:
            report.errors.append(
                f"{len(lost)} of {len(samples)} {what} are missing: {_first(lost)}"
            )
    return present


def _collect(
    report: SplitReport, samples: list[Sample], findings: list[Finding], listing: Listing
) -> None:
    problems: dict[str, list[str]] = {}
    outside: dict[int, int] = {}
    files: list[str] = []
    blank: list[str] = []
    for sample, finding in zip(samples, findings, strict=True):
        for kind, text in finding.problems:
            problems.setdefault(kind, []).append(text)
        report.counts += finding.counts
        report.images += finding.counts > 0
        report.ignored += finding.ignored
        for value, count in finding.outside.items():
            outside[value] = outside.get(value, 0) + count
        path = sample.label or sample.image
        if finding.outside:
            files.append(path)
        elif finding.opened and not finding.counts.any():
            blank.append(path)
    for kind, texts in problems.items():
        report.errors.append(f"{len(texts)} {KINDS[kind]}: {_first(texts)}")
    if outside:
        report.errors.append(_outside_error(report, outside, files, listing))
    elif report.unit == "pixels":
        report.errors += _raw_name_errors(samples, listing)
    if blank:
        report.warnings.append(f"{len(blank)} labels have no labelled pixel: {_first(blank)}")
    empty = [c for c, n in zip(report.classes, report.counts, strict=True) if n == 0]
    if empty and any(finding.opened for finding in findings):
        report.warnings.append(f"{len(empty)} classes do not occur: {', '.join(empty)}")


def _outside_error(
    report: SplitReport, outside: dict[int, int], files: list[str], listing: Listing
) -> str:
    ids = sorted(outside)
    text = (
        f"{len(files)} {'labels have' if report.unit == 'pixels' else 'images have class'} ids "
        f"outside 0 to {len(report.classes) - 1}: {ids[:15]} ({sum(outside.values())} "
        f"{report.unit}), e.g. {_first(files, 3)}"
    )
    if report.classes == CLASSES and all(19 <= value <= 34 for value in ids):
        text += (
            ". These are raw Cityscapes label ids (0 to 33) where training ids (0 to 18, 255) "
            f"are due. {_conversion_remedy(files[0], listing)}"
        )
    return text


def _raw_name_errors(samples: list[Sample], listing: Listing) -> list[str]:
    """Catches raw ids by the files' names, where by chance no id is above 18."""
    raw = [s.label for s in samples if s.label and s.label.endswith("_labelIds.png")]
    if not raw or listing.classes != CLASSES or any(s.label_map for s in samples):
        return []
    return [
        f"{len(raw)} labels are named *_labelIds.png, which hold raw Cityscapes label ids where "
        f"training ids are due. {_conversion_remedy(raw[0], listing)}"
    ]


def _conversion_remedy(path: str, listing: Listing) -> str:
    root = next((root for root in listing.roots if root and path.startswith(root)), "")
    cityscapes = "gtFine" in path or path.endswith("_labelIds.png")
    tool, suffix = (
        ("cityscapes", "_gtFine_labelTrainIds.png") if cityscapes else ("gta", "_labelTrainIds.png")
    )
    return (
        f"Run: python tools/dataset_converters/{tool}.py {root or 'DATA_ROOT'} and set "
        f"seg_map_suffix='{suffix}'"
    )


def _head_errors(model: dict, classes: int) -> list[str]:
    """Compares the heads' number of outputs with the data's classes."""
    errors = []
    for key in ("decode_head", "auxiliary_head", "head"):
        heads = model.get(key)
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            outputs = head.get("num_classes") if isinstance(head, dict) else None
            if outputs is not None and classes and outputs != classes:
                errors.append(
                    f"model.{key}.num_classes={outputs}, but the training data has {classes} "
                    "classes"
                )
    return errors


def _first(items: Sequence[str], count: int = 5) -> str:
    more = f" and {len(items) - count} more" if len(items) > count else ""
    return "; ".join(items[:count]) + more
