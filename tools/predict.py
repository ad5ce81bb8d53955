"""Predict images without labels: ``python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER``.

Segmentation writes, per image, ``<name>_overlay.png`` (classes painted over the image) and
``<name>_labelTrainIds.png`` (train ids); classification writes one ``predictions.csv``.
"""

import argparse
import csv
from pathlib import Path

import cv2
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import MODELS, init_default_scope
from tqdm import tqdm

from mmasg.commands.command_line import read_config
from mmasg.prediction.image_prediction import (
    find_images,
    load_weights,
    prediction_pipeline,
)
from mmasg.visualization.prediction_grid import colourise


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Predict images without labels")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("images", help="an image, or a folder that is searched for images")
    parser.add_argument("--out", default="predictions", help="folder to write into")
    parser.add_argument(
        "--device", default=None, help="cpu, cuda, cuda:1, ... (default: a GPU where there is one)"
    )
    parser.add_argument("--opacity", type=float, default=0.6, help="of the painted classes, 0 to 1")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args()
    args.work_dir, args.launcher, args.local_rank = args.out, "none", 0
    return args


def build(cfg: Config, checkpoint: str, device: torch.device) -> torch.nn.Module:
    """Build the config's model with the checkpoint's weights."""
    init_default_scope(cfg.get("default_scope", "mmseg"))
    model = MODELS.build(cfg.model)
    load_weights(model, checkpoint)
    model.to(device)
    model.eval()
    return model


def main() -> None:
    """Predict and write."""
    args = parse_args()
    cfg = read_config(args)
    images = find_images(args.images)
    if not 0 <= args.opacity <= 1:
        raise ValueError(f"--opacity: got {args.opacity}, it has to be between 0 and 1")
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"--device: got {args.device!r}, but PyTorch finds no GPU; use --device cpu"
        )
    model = build(cfg, args.checkpoint, device)
    pipeline = Compose(prediction_pipeline(cfg))
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    root = Path(args.images) if Path(args.images).is_dir() else Path(args.images).parent
    rows = []
    for path in tqdm(images, unit="image"):
        with torch.no_grad():
            sample = model.test_step(pseudo_collate([pipeline(dict(img_path=str(path)))]))[0]
        # Images of the same name in different folders stay apart.
        name = "_".join(path.relative_to(root).with_suffix("").parts)
        if "pred_sem_seg" in sample:
            labels = sample.pred_sem_seg.data[0].cpu().numpy().astype("uint8")
            cv2.imwrite(str(out / f"{name}_labelTrainIds.png"), labels)
            painted = colourise(labels, cfg_palette(cfg))[..., ::-1]
            frame = cv2.imread(str(path), cv2.IMREAD_COLOR)
            mixed = cv2.addWeighted(painted, args.opacity, frame, 1 - args.opacity, 0)
            cv2.imwrite(str(out / f"{name}_overlay.png"), mixed)
        else:
            label = int(sample.pred_label)
            rows.append(
                [str(path), class_name(cfg, label), f"{float(sample.pred_score[label]):.4f}"]
            )
    if rows:
        with open(out / "predictions.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["image", "prediction", "score"], *rows])
    print(f"{len(images)} image(s) predicted; the results are in {out}")


def _metainfo(cfg: Config) -> dict:
    from mmengine.registry import DATASETS

    dataset = cfg.test_dataloader.dataset
    cls = DATASETS.get(dataset.type)
    return {**getattr(cls, "METAINFO", {}), **dataset.get("metainfo", {})}


def cfg_palette(cfg: Config) -> list:
    """Return the RGB of every class of the config's test set."""
    return _metainfo(cfg)["palette"]


def class_name(cfg: Config, label: int) -> str:
    """Return the name of a class of the config's test set."""
    classes = _metainfo(cfg).get("classes")
    return classes[label] if classes else str(label)


if __name__ == "__main__":
    main()
