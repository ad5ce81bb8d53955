"""One round of class-balanced self-training: predict the target, choose, write label files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn
from tqdm import tqdm

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.datasets.class_maps import IGNORE
from mmasg.datasets.pseudo_labelled import SIDECAR
from mmasg.errors import first_of, wrong

from .candidates import Candidates
from .class_thresholds import ConfidenceHistogram
from .label_files import LabelFiles
from .target_frames import TargetFrames

_KEPT = ".predictions"


def write_pseudo_labels(
    model: nn.Module,
    frames: TargetFrames,
    out: Path,
    portion: float,
    checkpoint: Path,
    show_dir: Path | None = None,
    soft: float | None = None,
    show_most: int | None = None,
) -> dict[str, Any]:
    """Label the target by a model's own predictions (CBST, Zou et al., ECCV 2018).

    Every frame is predicted once; its most probable classes wait on the disk until all frames
    are seen and the thresholds known. Frames that an interrupted call has predicted are not
    predicted again. An image of a classifier is a frame of one pixel.

    Args:
        model: The network in eval mode, on its device.
        frames: What to label.
        out: Folder of the label files; a JSON file beside them says how they were made.
        portion: Share of the pixels predicted as a class that is kept, in (0, 1].
        checkpoint: Where the weights come from; its digest is recorded.
        show_dir: Folder for pictures of frame and label, or None.
        soft: Write soft labels too (LRENT, CRST), with this weight of the entropy; None: none.
        show_most: Number of pictures at most, of frames spread over the target; None: of all.

    Returns:
        What the JSON file holds: how the labels were made, ``classes``, and for every class
        ``thresholds`` (None where nothing was predicted as it), ``predicted`` and ``kept``, shares
        of all pixels in per cent.

    Raises:
        ValueError: The folder holds labels that were made otherwise, or a number is out of range.
    """
    if not 0 < portion <= 1:
        raise ValueError(wrong("--portion", portion, "a share above 0, at most 1"))
    if soft is not None and not 0 < soft < float("inf"):
        raise ValueError(wrong("--soft", soft, "a number above 0 (hard labels: leave it out)"))
    files = LabelFiles(frames, out)
    made = dict(
        checkpoint=str(checkpoint), digest=digest(checkpoint), portion=portion,
        mirror=frames.mirror, soft=soft,
    )  # fmt: skip
    summary = made_before(out, made)
    if summary is None:
        summary = _label(model, frames, files, made)
    if show_dir is not None:
        files.draw(show_dir, show_most)
    return summary


def _label(
    model: nn.Module, frames: TargetFrames, files: LabelFiles, made: dict[str, Any]
) -> dict[str, Any]:
    """Predict, choose and write all label files, the account of them last."""
    way = f"{made['digest']}_mirror" if frames.mirror else made["digest"]
    kept = files.out / _KEPT / way
    _predict(model, frames, kept)
    histogram = ConfidenceHistogram(len(frames.classes))
    for index in range(len(frames)):
        candidates = Candidates.load(kept / f"{index}.bin")
        histogram.count(candidates.odds[0], candidates.classes[0])
    thresholds = histogram.thresholds(made["portion"])
    counts = torch.zeros(256, dtype=torch.int64)
    for index in tqdm(range(len(frames)), desc="label", unit="frame"):
        candidates = Candidates.load(kept / f"{index}.bin")
        labels = candidates.labels(thresholds)
        counts += torch.bincount(labels.flatten().long(), minlength=256)
        files.write(index, labels)
        if made["soft"] is not None:
            files.write_soft(index, *candidates.soft(thresholds, made["soft"]))
    files.end()
    summary = {**made, **_summary(frames.classes, histogram, thresholds, counts)}
    summary["img_suffix"] = getattr(frames.dataset, "img_suffix", "")
    write_atomically(json.dumps(summary, indent=1).encode(), files.out / SIDECAR)
    shutil.rmtree(files.out / _KEPT)
    return summary


def _predict(model: nn.Module, frames: TargetFrames, kept: Path) -> None:
    """Predict the frames that have not been, and keep what labels are chosen from."""
    todo = [index for index in range(len(frames)) if not (kept / f"{index}.bin").is_file()]
    done = iter(todo)
    with tqdm(total=len(todo), desc="predict", unit="frame") as bar:
        for batch in frames.batches(todo):
            for probabilities in predict(model, batch):
                Candidates.of(probabilities).save(kept / f"{next(done)}.bin")
            bar.update(len(batch))


@torch.no_grad()
def predict(model: nn.Module, batch: Sequence[Sequence[dict]]) -> list[Tensor]:
    """Mean probabilities of some frames over their prepared forms, each (K, H, W) at its own size.

    A classifier's are (K, 1, 1).

    Args:
        model: The network in eval mode.
        batch: Of each frame its forms (itself, its mirror image).

    Raises:
        ValueError: The model gives one logit a pixel.
    """
    total: list[Any] = [0.0] * len(batch)
    for view in zip(*batch, strict=True):
        samples = model.test_step(pseudo_collate(list(view)))  # type: ignore[operator]
        for index, sample in enumerate(samples):
            total[index] = total[index] + _logits(sample).float().softmax(dim=0)
    return [each / len(batch[0]) for each in total]


def _logits(sample: Any) -> Tensor:
    if "seg_logits" not in sample:
        return sample.pred_logits.view(-1, 1, 1)
    logits = sample.seg_logits.data
    if len(logits) < 2:
        raise ValueError(
            "model.decode_head: it gives one logit a pixel (out_channels=1); class-balanced "
            "thresholds need a logit for every class: out_channels=num_classes."
        )
    return logits


def made_before(out: Path, made: dict[str, Any]) -> dict[str, Any] | None:
    """What a finished call of the same settings wrote, or None.

    Raises:
        ValueError: The folder holds labels that were made otherwise.
    """
    file = out / SIDECAR
    if not file.is_file():
        return None
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        differ = [key for key in made if key != "checkpoint" and summary[key] != made[key]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{file} is no account of pseudo labels. Remove the folder, or name another by --out."
        ) from None
    if differ:
        keys = [key if key != "digest" else "checkpoint" for key in differ]
        there = first_of([f"{key} {summary[key]}" for key in keys])
        raise ValueError(
            f"--out: {out} holds pseudo labels of other settings ({there}, not "
            f"{first_of([str(made[key]) for key in keys])}). Remove the folder, or name another."
        )
    return summary


def digest(file: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256."""
    sha = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()[:16]


def shrunk_to(summary: dict[str, Any], share: float = 0.95) -> str | None:
    """The class that has nearly all kept pixels, or None: self-training has collapsed then."""
    kept = summary["kept"]
    total = sum(kept.values())
    return next((name for name, value in kept.items() if total and value > share * total), None)


def never_predicted(summary: dict[str, Any]) -> list[str]:
    """The classes that nothing was predicted as; they are kept out."""
    return [name for name, threshold in summary["thresholds"].items() if threshold is None]


def _summary(
    classes: Sequence[str], histogram: ConfidenceHistogram, thresholds: Tensor, counts: Tensor
) -> dict[str, Any]:
    total = float(counts.sum())
    finite = [None if t == float("inf") else round(t, 6) for t in thresholds.tolist()]

    def percent(values: Tensor) -> dict[str, float]:
        shares = (100 * values.double() / total).tolist()
        return {name: round(share, 4) for name, share in zip(classes, shares, strict=True)}

    return dict(
        classes=list(classes),
        thresholds=dict(zip(classes, finite, strict=True)),
        predicted=percent(histogram.predicted()),
        kept=percent(counts[: len(classes)]),
        ignored=round(100 * float(counts[IGNORE]) / total, 4),
    )
