import math

import pytest
import torch

from mmasg.adaptation import rare_class_probabilities


def test_by_hand():
    found = rare_class_probabilities(torch.tensor([50, 30, 20, 0]), temperature=0.1)
    powers = [math.exp(5), math.exp(7), math.exp(8)]
    expected = [p / sum(powers) for p in powers] + [0.0]
    assert found.tolist() == pytest.approx(expected)


def test_a_large_temperature_draws_all_alike_a_small_one_the_rarest():
    pixels = torch.tensor([90, 10])
    assert rare_class_probabilities(pixels, 1e6).tolist() == pytest.approx([0.5, 0.5], abs=1e-5)
    assert rare_class_probabilities(pixels, 1e-3).tolist() == pytest.approx([0.0, 1.0])


def test_errors():
    with pytest.raises(ValueError, match="no class has a pixel"):
        rare_class_probabilities(torch.zeros(3))
    with pytest.raises(ValueError, match="temperature: got 0"):
        rare_class_probabilities(torch.ones(3), 0)
