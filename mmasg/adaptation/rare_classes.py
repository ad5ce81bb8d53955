"""How often a class is looked for in the source: rare-class sampling.

Hoyer, Dai, Van Gool, *DAFormer*, CVPR 2022, section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rare_class_probabilities(pixels: Tensor, temperature: float = 0.01) -> Tensor:
    """Probability with which each class is drawn; a frame that shows it is drawn then.

    ``P(c) = exp((1 - f_c) / T) / sum_c' exp((1 - f_c') / T)`` with ``f_c`` the class's share of
    all labelled pixels (DAFormer, eq. 12 and 13).

    Args:
        pixels: (K,) number of pixels of each class in the source.
        temperature: T. A small one draws the rarest class nearly always, a large one all classes
            alike. Defaults to 0.01, the paper's.

    Returns:
        (K,), float64, summing to 1; 0 for a class that the source does not show.

    Raises:
        ValueError: No pixel at all, or a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: got {temperature}; allowed: a number above 0.")
    pixels = pixels.double()
    if not pixels.sum() > 0:
        raise ValueError("pixels: no class has a pixel in the source; check its label maps.")
    share = pixels / pixels.sum()
    logits = (1 - share) / temperature
    return torch.softmax(logits.masked_fill(pixels == 0, float("-inf")), dim=0)
