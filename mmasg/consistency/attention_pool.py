"""Pooling of feature maps to vectors, weighted by what in the map stands out."""

from __future__ import annotations

import torch
from torch import Tensor


def attention_pool(features: Tensor) -> Tensor:
    r"""Pool positions in proportion to how much they agree with the mean of all (A-pool).

    .. math:: \hat v = \sum_i a_i v_i, \qquad a_i = \frac{\langle v_i, \bar v \rangle}
        {\sum_j \langle v_j, \bar v \rangle}, \qquad \bar v = \frac{1}{L} \sum_i v_i

    Source: Chen et al., *Contrastive Syn-to-Real Generalization*, ICLR 2021, section 3.3. Features
    behind a ReLU have no negative products; other features' negative ones count as 0, and where
    none is above 0 the pooling is the mean.

    Args:
        features: (N, C, H, W) or tokens (N, L, C).

    Returns:
        (N, C), float32.
    """
    positions = _positions(features)
    products = (positions * positions.mean(1, keepdim=True)).sum(2).clamp(min=0)
    total = products.sum(1, keepdim=True)
    uniform = torch.full_like(products, 1 / products.shape[1])
    tiny = torch.finfo(products.dtype).tiny
    weights = torch.where(total > tiny, products / total.clamp(min=tiny), uniform)
    return (weights.unsqueeze(2) * positions).sum(1)


def mean_pool(features: Tensor) -> Tensor:
    """Pool positions to their mean: (N, C, H, W) or (N, L, C) -> (N, C), float32."""
    return _positions(features).mean(1)


def _positions(features: Tensor) -> Tensor:
    """(N, C, H, W) or (N, L, C) -> (N, L, C), float32."""
    if features.ndim not in (3, 4):
        raise ValueError(
            f"got features of shape {tuple(features.shape)}; they have to be (N, C, H, W) or "
            "tokens (N, L, C)"
        )
    features = features.float()
    return features.flatten(2).transpose(1, 2) if features.ndim == 4 else features
