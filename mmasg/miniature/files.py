"""Picture files that are either complete or absent, so that an interrupted run can go on."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmasg.checkpoint.atomic_files import write_atomically


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write a PNG in one step.

    Args:
        path: Where to; folders are made.
        pixels: (H, W, 3) uint8 RGB, or (H, W) uint8 or uint16.
    """
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    done, packed = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise RuntimeError(f"OpenCV could not encode {path} as PNG; its build lacks the codec.")
    write_atomically(packed.tobytes(), path)


def write_palette_png(
    path: Path, labels: np.ndarray, palette: tuple[tuple[int, int, int], ...]
) -> None:
    """Write label ids as a PNG with a palette, in one step.

    Args:
        path: Where to; folders are made.
        labels: (H, W) uint8 indices.
        palette: A colour for each index; the rest of the 256 are black.
    """
    picture = Image.fromarray(labels)
    flat = [value for colour in palette for value in colour]
    picture.putpalette(flat + [0] * (768 - len(flat)))
    packed = io.BytesIO()
    picture.save(packed, format="PNG")
    write_atomically(packed.getvalue(), path)
