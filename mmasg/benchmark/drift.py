"""How far runs have drifted from ImageNet, point by point, beside what they reach on the target."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, init_default_scope
from torch import Tensor, nn

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.consistency.agreement import imagenet_predictions
from mmasg.consistency.losses import ImageNetKLLoss
from mmasg.consistency.teacher import ImageNetTeacher, build_teacher, find_student
from mmasg.errors import wrong
from mmasg.prediction.image_prediction import load_weights
from mmasg.visualization.scalar_log import read_records

from .arms import Arm
from .results import LAST, Result

KL, AGREEMENT = "KL to the ImageNet teacher", "agreement with ImageNet's prediction (%)"
#: Options of the consistency hook that say which teacher a student has.
_TEACHER_OPTIONS = ("teacher", "classifier", "feature")


#: A run at one of its tested checkpoints: ``iteration`` (epochs, where checkpoints are counted so),
#: the drift by its name (nats, percent), and ``SCORE``, the metric on the target.
Point = dict[str, float]
ITERATION, SCORE = "iteration", "score"


def logged_drift(result: Result, loader: str, metric: str, records: int = 5) -> list[Point]:
    """Return a run's points with the KL that its log has, ``kl_imagenet`` on training batches.

    Args:
        result: A run with results at several points.
        loader: Dataloader of the test whose metric counts.
        metric: Name of the metric.
        records: How many logged values up to each point are averaged.

    Returns:
        The points; none where the run did not log its KL.
    """
    try:
        logged = read_records(result.folder, lambda record: "kl_imagenet" in record)
    except FileNotFoundError:
        return []
    kind, last = _last_checkpoint(result)
    unit = "epoch" if kind == "epoch" else "step"
    points = []
    for point in _points(result, loader):
        end = int(last if point == LAST else point)
        until = [record for record in logged if record[unit] <= end][-records:]
        if until:
            kl = statistics.fmean(record["kl_imagenet"] for record in until)
            score = result.value(metric, loader, point)
            points.append({ITERATION: end, KL: kl, SCORE: score})
    return points


def measured_drift(
    result: Result, loader: str, metric: str, frames: str, count: int
) -> list[Point]:
    """Return a run's points with KL and agreement of its checkpoints on given frames.

    What was measured is kept in the run's folder and taken from there another time.

    Args:
        result: A run with results at several points.
        loader: Dataloader of the test whose metric counts.
        metric: Name of the metric.
        frames: Dataloader of the config whose images are looked at, at their test size.
        count: How many of them, spread evenly.

    Raises:
        ValueError: The config has no such dataloader, or too few images in it.
        FileNotFoundError: A checkpoint is gone.
    """
    folder = Path(result.folder)
    file = folder / f"drift_{frames}_{count}.json"
    known: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.is_file() else {}
    kind, last = _last_checkpoint(result)
    wanted = {p: last if p == LAST else p for p in _points(result, loader)}
    missing = [number for number in wanted.values() if number not in known]
    if missing:
        cfg = Arm(result.name, result.config, options=tuple(result.options)).read()
        model, student, teacher = _model_and_teacher(cfg)
        for number in missing:
            load_weights(model, str(folder / f"{kind}_{number}.pth"))
            known[number] = imagenet_drift(student, teacher, _batches(cfg, frames, count, model))
            write_atomically(json.dumps(known).encode(), file)
    return [
        {ITERATION: int(number), **known[number], SCORE: result.value(metric, loader, point)}
        for point, number in wanted.items()
    ]


def imagenet_drift(
    student: nn.Module, teacher: ImageNetTeacher, batches: Iterable[Tensor]
) -> dict[str, float]:
    """Return KL and top-1 agreement of a student, means over images.

    Args:
        student: The backbone; run in eval mode.
        teacher: With a classifier.
        batches: Preprocessed images, (N, 3, H, W) each.
    """
    loss = ImageNetKLLoss()
    kl = same = images = 0.0
    for ours, theirs in imagenet_predictions(student, teacher, batches):
        kl += float(loss(ours, theirs)) * len(ours)
        same += float((ours.argmax(1) == theirs.argmax(1)).sum())
        images += len(ours)
    return {KL: kl / images, AGREEMENT: 100 * same / images}


def _last_checkpoint(result: Result) -> tuple[str, str]:
    """How a run's checkpoints are counted, and its last: ``('iter', '1000')``."""
    state = json.loads((Path(result.folder) / "state.json").read_text())
    kind, _, number = Path(state["trained"]).stem.partition("_")
    return kind, number


def _points(result: Result, loader: str) -> list[str]:
    """Points at which a test was run, in order."""
    numbers = sorted(int(p) for p in result.metrics if p != LAST)
    return [p for p in (*map(str, numbers), LAST) if result.of(loader, p)]


def _model_and_teacher(cfg: Config) -> tuple[nn.Module, nn.Module, ImageNetTeacher]:
    """Build a config's model and the teacher that its consistency hook has or would have."""
    init_default_scope(cfg.get("default_scope", "mmseg"))
    hooks = [h for h in cfg.get("custom_hooks") or [] if h["type"] == "ImageNetConsistencyHook"]
    hook: dict[str, Any] = dict(hooks[0]) if hooks else {}
    model = MODELS.build(cfg.model)
    model.eval()
    name = find_student(
        model, hook.get("student_module", "backbone"), hook.get("teacher") is not None
    )
    student = model.get_submodule(name)
    options = {key: hook[key] for key in _TEACHER_OPTIONS if key in hook}
    return model, student, build_teacher(student, **options)


def _batches(cfg: Config, frames: str, count: int, model: nn.Module) -> Iterator[Tensor]:
    if cfg.get(frames) is None:
        have = ", ".join(key for key in cfg if key.endswith("_dataloader"))
        raise ValueError(wrong("--frames", frames, have))
    dataset = DATASETS.build(cfg[frames].dataset)
    if not 1 <= count <= len(dataset):
        raise ValueError(wrong("--images", count, f"1 to {len(dataset)}, as {frames} has"))
    for place in range(count):
        data = pseudo_collate([dataset[place * len(dataset) // count]])
        inputs = model.data_preprocessor(data, False)["inputs"]  # type: ignore[operator]
        yield inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))


def mean_over_seeds(runs: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the mean of several seeds at the iterations that all of them have."""
    by_iteration = [{point[ITERATION]: point for point in points} for points in runs]
    shared = sorted(set.intersection(*(set(points) for points in by_iteration)))
    return [
        {key: statistics.fmean(points[at][key] for points in by_iteration) for key in runs[0][0]}
        for at in shared
    ]
