"""How much of ImageNet a trained student has kept: agreement of top-1 predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import mmcv
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor, nn

from mmasg.datasets.dataset_configs import image_pipeline
from mmasg.files.listing import IMAGE_SUFFIXES, list_files
from mmasg.wrapped_model import unwrap

from .taps import FeatureTap
from .teacher import ImageNetTeacher

_KEY = "ImageNetConsistencyHook.agreement"
#: For a config that tests on nothing: the images as they are.
_PLAIN_PIPELINE = [dict(type="LoadImageFromFile"), dict(type="mmseg.PackSegInputs")]


@torch.no_grad()
def imagenet_predictions(
    student: nn.Module, teacher: ImageNetTeacher, batches: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the ImageNet logits of student and teacher, (N, C) each, batch by batch.

    Args:
        student: The trained backbone; run in eval mode.
        teacher: With a classifier.
        batches: Preprocessed images, (N, 3, H, W) each.
    """
    training = student.training
    student.eval()
    tap = FeatureTap(student, teacher.feature, _KEY)
    tap.enabled = True
    try:
        for inputs in batches:
            tap.clear()
            student(inputs)
            ours, theirs = teacher.classify(tap.features[-1]), teacher(inputs).logits
            assert ours is not None and theirs is not None
            yield ours, theirs
    finally:
        tap.remove()
        student.train(training)


def top1_agreement(
    student: nn.Module, teacher: ImageNetTeacher, batches: Iterable[Tensor]
) -> tuple[float, int]:
    """Return the share of images with the same ImageNet top-1, and their number.

    Args:
        student: The trained backbone; run in eval mode.
        teacher: With a classifier.
        batches: Preprocessed images, (N, 3, H, W) each.
    """
    counts = torch.zeros(2, dtype=torch.float64)
    for ours, theirs in imagenet_predictions(student, teacher, batches):
        same = (ours.argmax(1) == theirs.argmax(1)).sum().item()
        counts += torch.tensor([same, len(ours)], dtype=torch.float64)
    all_reduce(counts)
    return float(counts[0] / counts[1].clamp(min=1)), int(counts[1])


class Agreement:
    """What images to measure the agreement on.

    Args:
        images: A folder of images, searched recursively; they go through the transforms of the
            config's test (else validation) data, as they are where it has neither.
        split: ``'val'`` or ``'test'``: the images of that dataloader of the config.

    Raises:
        ValueError: Not exactly one of the two, an unknown split, or one without a dataloader.
        FileNotFoundError: No images in the folder.
    """

    def __init__(self, images: str | None = None, split: str | None = None) -> None:
        if (images is None) == (split is None) or split not in (None, "val", "test"):
            raise ValueError(
                f"{_KEY}: got images={images!r}, split={split!r}; give either images='folder' or "
                "split='val' or 'test'"
            )
        self.images = images
        self.split = split

    def check(self, runner: Runner) -> None:
        """Raise what can be raised before the training starts."""
        if self.images is not None:
            self._files()
        elif runner.cfg.get(f"{self.split}_dataloader") is None:
            raise ValueError(
                f"{_KEY}.split: got {self.split!r}, but the config has no "
                f"{self.split}_dataloader; give images='folder' instead"
            )

    def _files(self) -> list[str]:
        assert self.images is not None
        root = Path(self.images)
        files = [str(root / name) for name in list_files(root)]
        if not files:
            raise FileNotFoundError(
                f"{_KEY}.images: no image in {str(root)!r} "
                f"({'the folder is empty' if root.is_dir() else 'there is no such folder'}); "
                f"looked for {', '.join(IMAGE_SUFFIXES)}"
            )
        return files

    def measure(self, runner: Runner, student: nn.Module, teacher: ImageNetTeacher) -> float:
        """Measure and log the share under ``imagenet_top1_agreement``."""
        model = unwrap(runner.model)
        share, number = top1_agreement(student, teacher, self._batches(runner, model))
        where = self.images if self.images is not None else f"the {self.split} split"
        print_log(
            f"ImageNet top-1 agreement of student and teacher: {100 * share:.2f}% of {number} "
            f"images ({where})",
            logger="current",
        )
        runner.message_hub.update_scalar("train/imagenet_top1_agreement", share)
        runner.visualizer.add_scalar("imagenet_top1_agreement", share, step=runner.iter)
        return share

    def _batches(self, runner: Runner, model: nn.Module) -> Iterator[Tensor]:
        for data in self._samples(runner):
            inputs = model.data_preprocessor(data, False)["inputs"]  # type: ignore[operator]
            yield inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))

    def _samples(self, runner: Runner) -> Iterator[dict]:
        if self.split is not None:
            yield from runner.build_dataloader(runner.cfg[f"{self.split}_dataloader"])
            return
        steps = (
            image_pipeline(runner.cfg.get("test_dataloader"))
            or image_pipeline(runner.cfg.get("val_dataloader"))
            or _PLAIN_PIPELINE
        )
        pipeline = Compose(steps)
        for path in self._files()[get_rank() :: get_world_size()]:
            try:
                sample = pipeline({"img_path": path})
            except Exception as error:
                if mmcv.imread(path) is not None:
                    raise
                raise ValueError(
                    f"{_KEY}.images: {path!r} cannot be read as an image; remove it"
                ) from error
            yield pseudo_collate([sample])
