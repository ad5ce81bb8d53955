"""Small data sets in the formats of the real ones, written on the spot."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 16)  # width, height


def write_image(path: Path, size=SIZE, seed=0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_ids(path: Path, ids, palette=False, size=SIZE) -> Path:
    """Writes stripes of the given ids, from left to right, as a grey or palette PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = np.asarray(ids)[np.arange(size[0]) * len(ids) // size[0]]
    picture = Image.fromarray(np.tile(columns.astype(np.uint8), (size[1], 1)))
    if palette:
        picture = picture.convert("P")  # grey 0..255 becomes the index of a grey palette
        picture.putdata(np.tile(columns, size[1]).tolist())
    picture.save(path)
    return path


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def gta5(root: Path, frames=6, raw=True, converted=True) -> Path:
    """images/, labels/ in GTA5's layout; every frame shows road, car, sky and licence plate."""
    for number in range(1, frames + 1):
        write_image(root / f"images/{number:05d}.png", seed=number)
        if raw:
            write_ids(root / f"labels/{number:05d}.png", [7, 26, 23, 34], palette=True)
        if converted:
            write_ids(root / f"labels/{number:05d}_labelTrainIds.png", [0, 13, 10, 255])
    return root


def cityscapes(root: Path, frames=3, split="val", converted=True, raw=True) -> Path:
    for number in range(frames):
        stem = f"{split}/ulm/ulm_{number:06d}_000019"
        write_image(root / f"leftImg8bit/{stem}_leftImg8bit.png", seed=number)
        if raw:
            write_ids(root / f"gtFine/{stem}_gtFine_labelIds.png", [7, 24, 21, 0])
        if converted:
            write_ids(root / f"gtFine/{stem}_gtFine_labelTrainIds.png", [0, 11, 8, 255])
    return root


CITYSCAPES_VAL = dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val")
