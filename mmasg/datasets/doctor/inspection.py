"""The doctor: looks at everything a config would read before a long training reads it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmasg.errors import first_of, wrong
from mmasg.files.head_labels import Head, heads_of
from mmasg.files.parallel import parallel_map
from mmasg.files.sound_pair import KINDS

from .comparison import compare_shares
from .files import Finding, Sample, check_sample, is_there
from .label_ids import by_name_warnings, head_errors, outside_error, raw_name_errors
from .overlap import listed_twice, shared_images
from .samples import LOADERS, Listing, list_samples


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

    def by_class(self) -> dict[str, int]:
        """Pixels (images, in classification) of every class by its name."""
        return {name: int(n) for name, n in zip(self.classes, self.counts, strict=True)}


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
        raise ValueError(wrong("--samples", samples, "1 or more"))
    init_default_scope(cfg.get("default_scope", "mmengine"))
    reports: list[SplitReport] = []
    seen: list[Any] = []
    train: tuple[SplitReport, Listing] | None = None
    for name, key in LOADERS.items():
        loader = cfg.get(key)
        dataset_cfg = loader.get("dataset") if isinstance(loader, dict) else None
        if dataset_cfg is None or dataset_cfg in seen:
            continue
        seen.append(dataset_cfg)
        listing = list_samples(dataset_cfg)
        heads = list(heads_of(cfg.get("model"))) if name == "train" else []
        report = _check_split(name, listing, samples, workers, seed, heads)
        if name == "train":
            train = report, listing
            report.errors += head_errors(heads, len(listing.classes))
        else:
            report.warnings += _evaluation_warnings(cfg.get(f"{name}_evaluator"), report, listing)
        if train and name != "train":
            report.warnings += compare_shares(train[0].by_class(), report.by_class())
            both = shared_images(train[1].samples, listing.samples)
            if both:
                report.warnings.append(
                    f"{len(both)} images are trained on as well, here or as a copy or behind a "
                    f"link: {first_of(both, 5)}"
                )
        reports.append(report)
    if not reports:
        raise ValueError(
            "the config has no data: none of train_dataloader, val_dataloader and "
            "test_dataloader names a dataset"
        )
    return reports


def _check_split(
    name: str,
    listing: Listing,
    samples: int | None,
    workers: int,
    seed: int,
    heads: Sequence[Head],
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
    _collect(report, chosen, findings, listing, heads)
    twice = listed_twice(listing.samples)
    if twice:
        pairs = [f"{name} is {earlier}" for name, earlier in twice.items()]
        report.warnings.append(f"{len(pairs)} images are listed again by a link: "
                               f"{first_of(pairs, 3)}")  # fmt: skip
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
                f"{len(lost)} of {len(samples)} {what} are missing: {first_of(lost, 5)}"
            )
    return present


def _collect(
    report: SplitReport,
    samples: list[Sample],
    findings: list[Finding],
    listing: Listing,
    heads: Sequence[Head],
) -> None:
    faults: dict[str, list[str]] = {}
    outside: dict[int, int] = {}
    raw: set[int] = set()
    files: list[str] = []
    blank: list[str] = []
    judges = [head for head in heads if head.ignored]
    for sample, finding in zip(samples, findings, strict=True):
        for kind, text in finding.faults:
            faults.setdefault(kind, []).append(text)
        report.counts += finding.counts
        report.images += finding.counts > 0
        raw.update(finding.raw)
        strange = []
        for value, count in finding.others.items():
            if all(h.takes(value) for h in judges) if judges else value == listing.ignore_index:
                report.ignored += count
            else:
                strange.append(value)
                outside[value] = outside.get(value, 0) + count
        path = sample.label or sample.image
        if strange:
            files.append(path)
        elif finding.opened and not finding.counts.any():
            blank.append(path)
    for kind, texts in faults.items():
        what, remedy = KINDS[kind]
        report.errors.append(f"{len(texts)} {what}: {first_of(texts, 5)}. {remedy}")
    if outside:
        report.errors.append(outside_error(outside, files, listing, judges, report.unit))
    elif report.unit == "pixels":
        report.errors += raw_name_errors([s.label for s in samples if s.label], listing)
        report.warnings += by_name_warnings(raw, listing)
    if blank:
        report.warnings.append(f"{len(blank)} labels have no labelled pixel: {first_of(blank, 5)}")
    empty = [c for c, n in zip(report.classes, report.counts, strict=True) if n == 0]
    if empty and any(finding.opened for finding in findings):
        report.warnings.append(f"{len(empty)} classes do not occur: {', '.join(empty)}")


def _evaluation_warnings(evaluator: Any, report: SplitReport, listing: Listing) -> list[str]:
    """Compares what the metric leaves out with what the labels have."""
    if not report.ignored or not isinstance(evaluator, dict):
        return []
    value = evaluator.get("ignore_index", 255)
    if value == listing.ignore_index:
        return []
    return [
        f"{report.name}_evaluator.ignore_index={value}, but the labels have {report.ignored} "
        f"pixels of {listing.ignore_index}, the data set's ignore_index: they count as mistakes"
    ]
