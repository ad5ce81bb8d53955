"""PASTA: the amplitudes of a synthetic image's spectrum perturbed, high frequencies the most."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from mmasg.errors import wrong

_KEY = "PASTA"


def pasta_deviation(
    height: int, width: int, alpha: float = 3.0, k: float = 2.0, beta: float = 0.25
) -> np.ndarray:
    r"""Standard deviation of each frequency's perturbation.

    .. math:: \sigma[m, n] = \Bigl(2 \alpha \sqrt{\frac{m^2 + n^2}{H^2 + W^2}}\Bigr)^k + \beta

    with m and n the frequencies in cycles an image, from -H/2 and -W/2: :math:`\beta` at frequency
    0 (the brightness), :math:`\alpha^k + \beta` at the corner of the spectrum.

    Args:
        height: H.
        width: W.
        alpha: Strength; default 3.
        k: Exponent; default 2.
        beta: Uniform part; default 0.25.

    Returns:
        (H, W), frequencies in the order of ``np.fft.fft2``.
    """
    m = np.fft.fftfreq(height)[:, None] * height
    n = np.fft.fftfreq(width)[None, :] * width
    radius = np.sqrt((m**2 + n**2) / (height**2 + width**2))
    return (2 * alpha * radius) ** k + beta


@TRANSFORMS.register_module()
class PASTA(BaseTransform):
    r"""Perturb an image's amplitude spectrum in proportion to the spatial frequency.

    Source: Chattopadhyay et al., *PASTA: Proportional Amplitude Spectrum Training Augmentation for
    Syn-to-Real Domain Generalization*, ICCV 2023, section 3. Of every channel's Fourier transform
    the phase stays and the amplitude is multiplied by
    :math:`\epsilon[m, n] \sim N(1, \sigma^2[m, n])`, see :func:`pasta_deviation`. What comes back
    is not real, as the factors are drawn for each frequency alone: its real part is taken, and cut
    to [0, 255]. Labels stay as they are.

    Synthetic images differ from real ones the most in high frequencies, so that is where the
    network is kept from relying on what it sees. Put it behind the crop: it costs two Fourier
    transforms of the image. Draws are NumPy's global ones, which ``KeyedRandomnessDataset`` keys by
    the sample, so that a resumed run sees the same images.

    Required key: ``img`` (uint8, or floating point from 0 to 255). Modified key: ``img``.

    Args:
        alpha: :math:`\alpha`, at least 0. Default 3, the paper's for segmentation.
        k: :math:`k`, above 0. Default 2.
        beta: :math:`\beta`, at least 0. Default 0.25.
        prob: Share of images that are changed. Default 1.

    Raises:
        TypeError: ``img`` is neither uint8 nor floating point.
        ValueError: An argument is out of range, or a floating-point image goes beyond [0, 255].

    Example:
        >>> train_pipeline = [
        ...     dict(type='LoadImageFromFile'),
        ...     dict(type='LoadAnnotations'),
        ...     dict(type='RandomCrop', crop_size=(512, 512)),
        ...     dict(type='PASTA', alpha=3.0, k=2.0, beta=0.25),
        ...     dict(type='PackSegInputs')]
    """

    def __init__(
        self, alpha: float = 3.0, k: float = 2.0, beta: float = 0.25, prob: float = 1.0
    ) -> None:
        self.alpha = _number("alpha", alpha, alpha >= 0, "at least 0")
        self.k = _number("k", k, k > 0, "above 0")
        self.beta = _number("beta", beta, beta >= 0, "at least 0")
        self.prob = _number("prob", prob, 0 <= prob <= 1, "from 0 to 1")

    def transform(self, results: dict) -> dict:
        """Perturb ``results['img']``, (H, W) or (H, W, C).

        Args:
            results: The pipeline's dict.

        Returns:
            The same dict, the image changed and of the type it had.
        """
        image = results["img"]
        _check_image(image)
        if np.random.random_sample() >= self.prob:
            return results
        height, width = image.shape[:2]
        sigma = pasta_deviation(height, width, self.alpha, self.k, self.beta)
        sigma = sigma.reshape(*sigma.shape, *[1] * (image.ndim - 2))
        factors = 1 + sigma * np.random.standard_normal(image.shape)
        spectrum = np.fft.fft2(image.astype(np.float64), axes=(0, 1))
        changed = np.fft.ifft2(spectrum * factors, axes=(0, 1)).real.clip(0, 255)
        if image.dtype == np.uint8:
            changed = np.round(changed)
        results["img"] = changed.astype(image.dtype)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, k={self.k}, beta={self.beta}, "
            f"prob={self.prob})"
        )


def _number(name: str, value: float, good: bool, allowed: str) -> float:
    if isinstance(value, bool) or not good or value == float("inf"):
        raise ValueError(wrong(f"{_KEY}.{name}", value, f"a number {allowed}"))
    return float(value)


def _check_image(image: np.ndarray) -> None:
    if image.dtype == np.uint8:
        return
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(
            wrong(f"{_KEY}: type of img", str(image.dtype), "uint8, float32 or float64")
        )
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 255):
        raise ValueError(
            wrong(
                f"{_KEY}: img",
                f"values from {low:.4g} to {high:.4g}",
                "values from 0 to 255",
                "Put PASTA before what normalises the image.",
            )
        )
