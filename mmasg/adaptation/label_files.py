"""Pseudo labels on the disk: label maps, or a list of images; soft labels; pictures of both."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.datasets.class_maps import IGNORE
from mmasg.datasets.pseudo_labelled import SOFT_SUFFIXES
from mmasg.prediction.images import read_image
from mmasg.visualization.prediction_grid import colourise

from .target_frames import TargetFrames

#: The labels of a classifier's images, in the folder of labels: ``relative/path.jpg class_index``.
LIST = "image_list.txt"
_THUMBNAIL = 160


def soft_folder(out: Path) -> Path:
    """The folder of soft labels, beside that of the labels."""
    return out.with_name(f"{out.name}_soft")


class LabelFiles:
    """Writes a round's labels in the target's layout.

    Label maps are PNG files; images of a classifier are lines of one list, those that get no label
    are not in it.

    Args:
        frames: What is labelled.
        out: Folder of the labels.
    """

    def __init__(self, frames: TargetFrames, out: Path) -> None:
        self.frames, self.out = frames, out
        self._lines: list[str] = []

    def write(self, index: int, labels: Tensor) -> None:
        """Write one frame's labels (H, W), uint8."""
        if not self.frames.classifies:
            write_atomically(_png(labels.numpy()), self.out / self.frames.label_name(index))
        elif int(labels) != IGNORE:
            self._lines.append(f"{self.frames.name(index)} {int(labels)}")

    def write_soft(self, index: int, classes: Tensor, weights: Tensor) -> None:
        """Write one frame's soft labels: classes and weights, both (M, H, W) uint8, M up to 3."""
        name = self.frames.label_name(index).with_suffix("")
        for values, suffix in zip((classes, weights), SOFT_SUFFIXES, strict=True):
            planes = F.pad(values, (0, 0, 0, 0, 0, 3 - len(values)))
            file = soft_folder(self.out) / f"{name}{suffix}"
            write_atomically(_png(planes.permute(1, 2, 0).contiguous().numpy()), file)

    def end(self) -> None:
        """Write what there is once for all frames."""
        if self.frames.classifies:
            text = "".join(f"{line}\n" for line in self._lines)
            write_atomically(text.encode(), self.out / LIST)

    def draw(self, folder: Path, most: int | None = None) -> None:
        """Draw what is not there yet: frames beside their labels, or images in class folders.

        Args:
            folder: Where to.
            most: How many at most, spread over all; None: all.
        """
        if self.frames.classifies:
            self._draw_images(folder, most)
            return
        palette = self.frames.dataset.metainfo["palette"]
        for index in _spread(len(self.frames), most):
            name = self.frames.label_name(index)
            file = folder / f"{'_'.join(name.with_suffix('').parts)}.jpg"
            if not file.is_file():
                frame = read_image(self.frames.path(index))
                labels = np.asarray(Image.open(self.out / name))
                _save(np.concatenate([frame, colourise(labels, palette)], axis=1), file)

    def _draw_images(self, folder: Path, most: int | None) -> None:
        lines = (self.out / LIST).read_text(encoding="utf-8").splitlines()
        for index in _spread(len(lines), most):
            name, label = lines[index].rsplit(maxsplit=1)
            shown = "_".join(Path(name).with_suffix("").parts)
            file = folder / self.frames.classes[int(label)] / f"{shown}.jpg"
            if not file.is_file():
                image = Image.fromarray(read_image(self.frames.folder / name))
                image.thumbnail((_THUMBNAIL, _THUMBNAIL))
                _save(np.asarray(image), file)


def _spread(count: int, most: int | None) -> list[int]:
    if most is None or most >= count:
        return list(range(count))
    return [place * count // most for place in range(most)]


def _png(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def _save(picture: np.ndarray, file: Path) -> None:
    write_atomically(cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes(), file)
