"""Photometric shifts of held-out source images: a stand-in for another camera, without a target."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import PurePath

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from mmasg.errors import did_you_mean, wrong

Draws = np.random.Generator


def _haze(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    """A veil of bright grey, thicker towards the top, where streets are farther away."""
    veil = draws.uniform(190, 245)
    thick = draws.uniform(0.15, 0.5) * strength
    rows = thick * np.linspace(1.0, 0.4, len(image), dtype=np.float32)[:, None, None]
    rows = np.minimum(rows, 1)
    return image * (1 - rows) + veil * rows


def _brightness(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    return image + draws.uniform(-50, 50) * strength


def _contrast(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    factor = np.exp(draws.uniform(-0.6, 0.6) * strength)
    mean = image.mean()
    return (image - mean) * factor + mean


def _saturation(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    factor = np.exp(draws.uniform(-1.2, 0.7) * strength)
    grey = image @ np.array([0.114, 0.587, 0.299], np.float32)  # BGR
    return grey[..., None] + (image - grey[..., None]) * factor


def _hue(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    degrees = draws.uniform(-25, 25) * strength
    hsv = cv2.cvtColor(np.clip(image, 0, 255).astype(np.float32) / 255, cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * 255


def _blur(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    sigma = draws.uniform(0.5, 1.8) * strength
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.05 else image


def _noise(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    sigma = draws.uniform(4, 18) * strength
    return image + sigma * draws.standard_normal(image.shape, dtype=np.float32)


def _jpeg(image: np.ndarray, draws: Draws, strength: float) -> np.ndarray:
    quality = round(100 - (100 - draws.uniform(20, 60)) * min(strength, 1.2))
    pixels = np.clip(np.round(image), 0, 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, max(quality, 2)])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32)


#: In the order in which a picture comes about: the air, the light, the lens, the sensor, the file.
SHIFTS: dict[str, Callable[[np.ndarray, Draws, float], np.ndarray]] = {
    "haze": _haze,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
}


@TRANSFORMS.register_module()
class PhotometricShift(BaseTransform):
    """Shift an image's photometry, in the same way whenever the same image is read.

    What is done to an image follows from ``seed`` and its file's name (without folder and
    suffix) alone: not from the order of reading, the number of workers or another transform.
    So a held-out part of the source becomes a fixed data set of shifted images, on which settings
    can be chosen, and a policy rewarded, without any image of the target. Labels stay as they
    are: nothing moves.

    Each of the shifts is done with probability ``prob``, at least one in every image; its size is
    drawn uniformly from a range that ``strength`` scales (at 1: haze of 15 to 50%, brightness of
    50 grey levels, contrast by a factor of 0.55 to 1.8, saturation by 0.3 to 2, hue by 25 degrees,
    blur of sigma 0.5 to 1.8 pixels, noise of sigma 4 to 18 grey levels, JPEG quality 20 to 60).

    Required keys: ``img`` (uint8, BGR), ``img_path``. Modified key: ``img``.

    Args:
        strength: 0 leaves images as they are. Default 1.
        prob: Probability of every shift. Default 0.5.
        shifts: Names out of haze, brightness, contrast, saturation, hue, blur, noise, jpeg.
            Default: all.
        seed: Another seed gives other shifts. Default 0.

    Raises:
        ValueError: An argument is out of range, or a shift unknown.
    """

    def __init__(
        self,
        strength: float = 1.0,
        prob: float = 0.5,
        shifts: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        shifts = list(SHIFTS) if shifts is None else shifts
        unknown = [name for name in shifts if name not in SHIFTS]
        if isinstance(shifts, str) or unknown or not shifts:
            raise ValueError(
                wrong(
                    "PhotometricShift.shifts",
                    shifts,
                    f"a list out of {list(SHIFTS)}",
                    did_you_mean(unknown[0], SHIFTS).strip() if unknown else "",
                )
            )
        if not 0 <= strength <= 3:
            raise ValueError(wrong("PhotometricShift.strength", strength, "0 to 3"))
        if not 0 <= prob <= 1:
            raise ValueError(wrong("PhotometricShift.prob", prob, "0 to 1"))
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(wrong("PhotometricShift.seed", seed, "0, 1, 2, ..."))
        self.strength = strength
        self.prob = prob
        self.shifts = [name for name in SHIFTS if name in shifts]
        self.seed = seed

    def transform(self, results: dict) -> dict:
        """Shift ``results['img']``, uint8 of shape (H, W, 3).

        Args:
            results: The pipeline's dict.

        Returns:
            The same dict, changed.
        """
        if self.strength == 0:
            return results
        name = PurePath(results["img_path"]).stem
        draws = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        chosen = draws.random(len(self.shifts)) < self.prob
        chosen[draws.integers(len(chosen))] |= not chosen.any()
        image = results["img"].astype(np.float32)
        for shift, is_chosen in zip(self.shifts, chosen, strict=True):
            if is_chosen:
                image = np.clip(SHIFTS[shift](image, draws, self.strength), 0, 255)
        results["img"] = np.round(image).astype(np.uint8)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(strength={self.strength}, prob={self.prob}, "
            f"shifts={self.shifts}, seed={self.seed})"
        )
