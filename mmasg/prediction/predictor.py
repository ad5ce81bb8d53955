"""A trained model that takes files of images and writes what it sees in them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from mmasg.datasets.dataset_configs import class_names_of, innermost, palette_of
from mmasg.errors import wrong
from mmasg.visualization.prediction_grid import colourise

from .image_prediction import load_weights, prediction_pipeline
from .images import LABELS, OVERLAY, read_image, result_names


class Predictor:
    """The model of a config with the weights of a checkpoint, ready for images without labels.

    Args:
        cfg: Config that the model was trained with.
        checkpoint: Its checkpoint.
        device: As :func:`choose_device` returns it.
        **fitting: ``allow_partial`` and ``prefix`` of
            :func:`~mmasg.prediction.image_prediction.load_weights`.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It does not fit the model, or the config has no test transforms.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: torch.device, **fitting: Any) -> None:
        init_default_scope(cfg.get("default_scope", "mmseg"))
        self.pipeline = Compose(prediction_pipeline(cfg))
        self.model = MODELS.build(cfg.model)
        load_weights(self.model, checkpoint, **fitting)
        self.model.to(device)
        self.model.eval()
        self.dataset = next(innermost(cfg.test_dataloader.dataset))

    def predict(self, path: Path) -> Any:
        """Predict one image; the model's sample, with ``pred_sem_seg`` or ``pred_label``."""
        with torch.no_grad():
            return self.model.test_step(pseudo_collate([self.pipeline({"img_path": str(path)})]))[0]

    def write(self, images: list[Path], root: Path, out: Path, opacity: float) -> dict[Path, str]:
        """Predict images and write the results.

        Segmentation writes ``<name>_labelTrainIds.png`` and ``<name>_overlay.png`` for each image,
        classification one ``predictions.csv``.

        Args:
            images: Files below ``root``.
            root: Folder that the results' names begin below.
            out: Folder to write to; made if it is not there.
            opacity: Of the painted classes, 0 to 1.

        Returns:
            The images that could not be predicted, with the reason.
        """
        from tqdm import tqdm

        out.mkdir(parents=True, exist_ok=True)
        failed: dict[Path, str] = {}
        rows = []
        for path, name in zip(tqdm(images, unit="image"), result_names(images, root), strict=True):
            try:
                frame = read_image(path)
                sample = self.predict(path)
            except Exception as error:  # one image that fails is no reason to leave out the rest
                kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
                failed[path] = f"{kind}{error}"
                continue
            if "pred_sem_seg" in sample:
                labels = sample.pred_sem_seg.data[0].cpu().numpy()
                self._write_labels(labels, frame, out / name, opacity)
            else:
                label = int(sample.pred_label)
                score = f"{float(sample.pred_score[label]):.4f}"
                rows.append([str(path), self._class_name(label), score])
        if rows:
            _write_table(rows, out / "predictions.csv")
        return failed

    def _write_labels(
        self, labels: np.ndarray, frame: np.ndarray, name: Path, opacity: float
    ) -> None:
        width = np.uint8 if labels.max() < 256 else np.uint16
        Image.fromarray(labels.astype(width)).save(f"{name}{LABELS}")
        painted = colourise(labels, palette_of(self.dataset, int(labels.max()) + 1))
        mixed = opacity * painted + (1 - opacity) * frame
        Image.fromarray(mixed.round().astype(np.uint8)).save(f"{name}{OVERLAY}")

    def _class_name(self, label: int) -> str:
        names = class_names_of(self.dataset)
        return names[label] if label < len(names) else str(label)


def choose_device(name: str | None) -> torch.device:
    """Return the device of a name; a GPU where there is one by default.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ...; None chooses.

    Raises:
        ValueError: There is no such device.
    """
    count = torch.cuda.device_count()
    try:
        device = torch.device(name or ("cuda" if count else "cpu"))
    except RuntimeError as error:
        raise ValueError(wrong("--device", name, "cpu, cuda, cuda:1, ...")) from error
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ValueError(
            wrong(
                "--device",
                name,
                f"one of the {count} GPUs that PyTorch {torch.__version__} finds, or cpu",
                "Use --device cpu.",
            )
        )
    return device


def _write_table(rows: Iterable[list[str]], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["image", "prediction", "score"], *rows])
