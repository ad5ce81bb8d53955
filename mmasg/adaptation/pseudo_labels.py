"""One round of class-balanced self-training: predict the target, choose, write label files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.datasets.class_maps import IGNORE
from mmasg.visualization.prediction_grid import colourise

from .candidates import Candidates
from .class_thresholds import ConfidenceHistogram
from .target_frames import TargetFrames

SIDECAR = "pseudo_labels.json"
_KEPT = ".predictions"


def write_pseudo_labels(
    model: nn.Module,
    frames: TargetFrames,
    out: Path,
    portion: float,
    checkpoint: Path,
    show_dir: Path | None = None,
) -> dict[str, Any]:
    """Label the target by a model's own predictions (CBST, Zou et al., ECCV 2018).

    Every frame is predicted once; its most probable classes wait on the disk until all frames
    are seen and the thresholds known. Frames that an interrupted call has predicted are not
    predicted again.

    Args:
        model: The network in eval mode, on its device.
        frames: What to label.
        out: Folder of the label files; a JSON file beside them says how they were made.
        portion: Share of the pixels predicted as a class that is kept, in (0, 1].
        checkpoint: Where the weights come from; its digest is recorded.
        show_dir: Folder for pictures of frame and label, or None.

    Returns:
        What the JSON file holds: ``checkpoint``, ``digest``, ``portion``, and for every class
        ``thresholds`` (None where nothing was predicted as it), ``predicted`` and ``kept``, shares
        of all pixels in per cent.
    """
    summary = made_before(out, checkpoint, portion)
    if summary is None:
        summary = _label(model, frames, out, portion, checkpoint)
    if show_dir is not None:
        _draw(frames, out, show_dir)
    return summary


def _label(
    model: nn.Module, frames: TargetFrames, out: Path, portion: float, checkpoint: Path
) -> dict[str, Any]:
    """Predict, choose and write all label files, the account of them last."""
    weights = digest(checkpoint)
    kept = out / _KEPT / weights
    histogram = ConfidenceHistogram(len(frames.classes))
    for index in tqdm(range(len(frames)), desc="predict", unit="frame"):
        file = kept / f"{index}.bin"
        if file.is_file():
            candidates = Candidates.load(file)
        else:
            candidates = Candidates.of(predict(model, frames.prepared(index)))
            candidates.save(file)
        histogram.count(candidates.odds[0], candidates.classes[0])
    thresholds = histogram.thresholds(portion)
    counts = torch.zeros(256, dtype=torch.int64)
    for index in tqdm(range(len(frames)), desc="label", unit="frame"):
        labels = Candidates.load(kept / f"{index}.bin").labels(thresholds)
        counts += torch.bincount(labels.flatten().long(), minlength=256)
        write_atomically(_png(labels.numpy()), out / frames.label_name(index))
    summary = _summary(frames.classes, portion, histogram, thresholds, counts)
    summary = dict(checkpoint=str(checkpoint), digest=weights, **summary)
    write_atomically(json.dumps(summary, indent=1).encode(), out / SIDECAR)
    shutil.rmtree(out / _KEPT)
    return summary


@torch.no_grad()
def predict(model: nn.Module, prepared: Sequence[dict]) -> Tensor:
    """Mean probabilities (K, H, W) of one frame over its prepared forms, at its own size.

    Raises:
        ValueError: The model gives one logit a pixel.
    """
    total: Any = 0
    for data in prepared:
        sample = model.test_step(pseudo_collate([data]))[0]  # type: ignore[operator]
        logits = sample.seg_logits.data
        if len(logits) < 2:
            raise ValueError(
                "model.decode_head: it gives one logit a pixel (out_channels=1); class-balanced "
                "thresholds need a logit for every class: out_channels=num_classes."
            )
        total = total + logits.float().softmax(dim=0)
    return total / len(prepared)


def made_before(out: Path, checkpoint: Path, portion: float) -> dict[str, Any] | None:
    """What a finished call with the same checkpoint and portion wrote, or None.

    Raises:
        ValueError: The folder holds labels that were made otherwise.
    """
    file = out / SIDECAR
    if not file.is_file():
        return None
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        same = (summary["digest"], summary["portion"]) == (digest(checkpoint), portion)
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{file} is no account of pseudo labels. Remove the folder, or name another by --out."
        ) from None
    if not same:
        raise ValueError(
            f"--out: {out} holds pseudo labels of {summary.get('checkpoint')} with portion "
            f"{summary['portion']}, not of {checkpoint} with {portion}. Remove the folder, or name "
            "another."
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


def _summary(
    classes: Sequence[str],
    portion: float,
    histogram: ConfidenceHistogram,
    thresholds: Tensor,
    counts: Tensor,
) -> dict[str, Any]:
    total = float(counts.sum())
    finite = [None if t == float("inf") else round(t, 6) for t in thresholds.tolist()]

    def percent(values: Tensor) -> dict[str, float]:
        shares = (100 * values.double() / total).tolist()
        return {name: round(share, 4) for name, share in zip(classes, shares, strict=True)}

    return dict(
        portion=portion,
        thresholds=dict(zip(classes, finite, strict=True)),
        predicted=percent(histogram.predicted()),
        kept=percent(counts[: len(classes)]),
        ignored=round(100 * float(counts[IGNORE]) / total, 4),
    )


def _png(labels: np.ndarray) -> bytes:
    return cv2.imencode(".png", labels)[1].tobytes()


def _draw(frames: TargetFrames, out: Path, folder: Path) -> None:
    """Draw every frame beside its label, where that picture is not there yet."""
    for index in range(len(frames)):
        name = frames.label_name(index)
        file = folder / f"{'_'.join(name.with_suffix('').parts)}.jpg"
        if file.is_file():
            continue
        frame = cv2.imread(str(frames.path(index)), cv2.IMREAD_COLOR)
        labels = np.asarray(Image.open(out / name))
        painted = colourise(labels, frames.dataset.metainfo["palette"])[..., ::-1]
        both = np.concatenate([frame, painted], axis=1)
        write_atomically(cv2.imencode(".jpg", both)[1].tobytes(), file)
