"""The camera of the target domain: exposure, lens, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import HEIGHT, WIDTH


def photograph(light: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Turn light into a picture file's pixels.

    Args:
        light: (256, 512, 3) float32, about 0..1.
        generator: The frame's sensor stream.

    Returns:
        (256, 512, 3) uint8 after a JPEG round trip in memory.
    """
    blur = float(generator.uniform(0.40, 0.85))
    light = cv2.GaussianBlur(light, (0, 0), blur)
    # exposure, white balance and the lens's darker corners
    balance = generator.uniform(0.94, 1.06, size=3).astype(np.float32)
    aim = float(generator.uniform(0.30, 0.46)) / max(float(light.mean()), 1e-3)
    rows = np.linspace(-1.0, 1.0, HEIGHT, dtype=np.float32)[:, None]
    columns = np.linspace(-1.0, 1.0, WIDTH, dtype=np.float32)[None]
    corners = 1.0 - float(generator.uniform(0.05, 0.3)) * (rows**2 + columns**2) / 2.0
    light = light * balance * (aim * corners)[..., None]
    # shot noise grows with the root of the light, read noise does not
    shot, read = float(generator.uniform(0.006, 0.022)), float(generator.uniform(0.002, 0.010))
    noise = generator.standard_normal(light.shape, dtype=np.float32)
    light = light + noise * (shot * np.sqrt(np.clip(light, 0.0, None)) + read)
    light = np.clip(light, 0.0, 1.0) ** float(generator.uniform(0.68, 0.9))
    pixels = np.rint(np.clip(light, 0.0, 1.0) * 255.0).astype(np.uint8)
    return compress(pixels, int(generator.integers(55, 92)))


def compress(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Lose what JPEG of a quality of 0 to 100 loses of a picture (H, W, 3), uint8, RGB.

    Raises:
        RuntimeError: OpenCV was built without the codec.
    """
    done, packed = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR) if done else None
    if decoded is None:
        raise RuntimeError("OpenCV could not code a frame as JPEG; its build lacks the codec.")
    return np.ascontiguousarray(decoded[..., ::-1])
