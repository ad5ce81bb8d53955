import math

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

from mmasg.datasets.pasta import PASTA, pasta_deviation
from mmasg.reproducible.keyed_index import keyed_randomness


def image(dtype=np.uint8, shape=(13, 20, 3)):
    return np.random.default_rng(1).integers(40, 200, shape).astype(dtype)


def by_hand(pixels, alpha, k, beta):
    """The paper's equations, channel by channel, on the spectrum with frequency 0 in the middle."""
    height, width = pixels.shape[:2]
    draws = np.random.standard_normal(pixels.shape)
    out = np.empty(pixels.shape)
    for channel in range(3):
        spectrum = np.fft.fftshift(np.fft.fft2(pixels[..., channel]))
        amplitude, phase = np.abs(spectrum), np.angle(spectrum)
        shifted = np.fft.fftshift(draws[..., channel])
        for i in range(height):
            for j in range(width):
                m, n = i - height // 2, j - width // 2
                share = math.hypot(m, n) / math.hypot(height, width)
                amplitude[i, j] *= 1 + shifted[i, j] * ((2 * alpha * share) ** k + beta)
        restored = amplitude * np.exp(1j * phase)
        out[..., channel] = np.fft.ifft2(np.fft.ifftshift(restored)).real
    return out.clip(0, 255)


@pytest.mark.parametrize("arguments", [(3.0, 2.0, 0.25), (10.0, 1.0, 0.5)])
def test_is_the_papers_equation(arguments):
    transform = PASTA(*arguments)
    np.random.seed(4)
    ours = transform(dict(img=image(np.float64)))["img"]
    np.random.seed(4)
    np.random.random_sample()  # whether at all
    np.testing.assert_allclose(ours, by_hand(image(np.float64), *arguments), atol=1e-9)
    np.random.seed(4)
    rounded = transform(dict(img=image()))["img"]
    assert rounded.dtype == np.uint8
    np.testing.assert_array_equal(rounded, np.round(ours))
    assert np.abs(ours - image()).mean() > 5


def test_deviation_grows_from_beta_to_the_corner():
    sigma = pasta_deviation(8, 16, 3.0, 2.0, 0.25)
    assert sigma[0, 0] == 0.25
    assert sigma[4, 8] == pytest.approx(3.0**2 + 0.25) == sigma.max()
    assert sigma[0, 1] < sigma[1, 1] < sigma[2, 2]
    np.testing.assert_allclose(sigma[1:], sigma[1:][::-1])  # the same for -m


def test_nothing_perturbed_is_the_image_and_prob_is_kept():
    np.testing.assert_array_equal(PASTA(0, 2, 0)(dict(img=image()))["img"], image())
    np.random.seed(0)
    changed = [
        not np.array_equal(PASTA(prob=0.3)(dict(img=image()))["img"], image()) for _ in range(100)
    ]
    assert 18 <= sum(changed) <= 42  # 30 within 2.6 standard deviations
    assert PASTA()(dict(img=image(shape=(6, 7))))["img"].shape == (6, 7)


def test_the_same_key_gives_the_same_image():
    transform = TRANSFORMS.build(dict(type="PASTA"))
    outs = []
    for key in ((0, 0, 7), (0, 0, 8), (0, 0, 7)):
        with keyed_randomness(key):
            outs.append(transform(dict(img=image()))["img"])
    np.testing.assert_array_equal(outs[0], outs[2])
    assert not np.array_equal(outs[0], outs[1])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(alpha=-1), "PASTA.alpha: got -1; allowed: a number at least 0"),
        (dict(k=0), "PASTA.k: got 0; allowed: a number above 0"),
        (dict(beta=float("nan")), "PASTA.beta: got nan"),
        (dict(prob=1.5), "PASTA.prob: got 1.5; allowed: a number from 0 to 1"),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        PASTA(**kwargs)


@pytest.mark.parametrize("shift", [-60.0, 100.0, float("nan")])
def test_a_float_image_beyond_0_to_255_is_refused(shift):
    with pytest.raises(ValueError, match="before what normalises"):
        PASTA()(dict(img=image(np.float32) + np.float32(shift)))


def test_another_type_is_refused():
    with pytest.raises(TypeError, match="got 'int32'"):
        PASTA()(dict(img=image(np.int32)))
