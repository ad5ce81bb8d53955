"""Covariances of instance-normalised features, and the part of them that is a matter of style.

Source: Choi et al., *RobustNet: Improving Domain Generalization in Urban-Scene Segmentation via
Instance Selective Whitening*, CVPR 2021, sections 3.2 to 3.4.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

_EPS = 1e-5


def instance_covariance(features: Tensor) -> Tensor:
    r"""Covariance between the channels of each image's standardised features.

    :math:`\Sigma_s = \frac{1}{HW} X_s X_s^\top`, every channel of :math:`X_s` with mean 0 and
    variance 1 over the image's positions (instance normalisation without affine parameters).

    Args:
        features: (N, C, H, W).

    Returns:
        (N, C, C), float32; 1 on the diagonal, -1 to 1 beside it.

    Raises:
        ValueError: Features of another form.
    """
    if features.ndim != 4:
        raise ValueError(f"got features of shape {tuple(features.shape)}; they have to be maps "
                         "(N, C, H, W)")  # fmt: skip
    x = features.float().flatten(2)
    x = x - x.mean(2, keepdim=True)
    x = x / (x.square().mean(2, keepdim=True) + _EPS).sqrt()
    return x @ x.transpose(1, 2) / x.shape[2]


def pair_variance(one: Tensor, other: Tensor) -> Tensor:
    r"""Variance of each covariance between an image and its photometrically changed copy.

    :math:`V = \frac{1}{N} \sum_i \sigma_i^2` with
    :math:`\sigma_i^2 = \frac{1}{2} \sum_{\Sigma} (\Sigma - \mu_i)^2` over the two covariances of
    image i and :math:`\mu_i` their mean.

    Args:
        one: Covariances of the images, (N, C, C).
        other: Covariances of their copies, (N, C, C).

    Returns:
        (C, C).
    """
    return ((one - other) / 2).square().mean(0)


def sensitive_mask(variance: Tensor, clusters: int = 3, kept: int = 1) -> Tensor:
    """Choose the covariances that photometric changes move: domain-specific style.

    The strict upper triangle of ``variance`` is put into clusters by k-means (from evenly
    spaced centres, so that the same values always give the same clusters); all but those of the
    lowest variance are chosen.

    Args:
        variance: See :func:`pair_variance`, (C, C).
        clusters: k. Defaults to 3.
        kept: How many of the lowest clusters are left alone. Defaults to 1.

    Returns:
        (C, C), bool, in the strict upper triangle; all of it where no value differs.
    """
    upper = torch.ones_like(variance, dtype=torch.bool).triu(1)
    values = variance[upper].double().cpu().numpy()
    largest = values.max(initial=0.0)
    if len(values) == 0 or not largest > values.min():
        return upper
    scaled = (values / largest)[:, None]  # k-means stops at absolute differences
    start = np.linspace(scaled.min(), scaled.max(), clusters)[:, None]
    centres, labels = kmeans2(scaled, start, iter=100, minit="matrix")
    found = sorted(set(labels), key=lambda label: centres[label, 0])
    low = found[: min(kept, len(found) - 1)]  # a cluster may have lost all its values
    mask = torch.zeros_like(upper)
    mask[upper] = torch.from_numpy(~np.isin(labels, low)).to(mask.device)
    return mask


def whitening_loss(features: Tensor, mask: Tensor) -> Tensor:
    r"""Instance selective whitening: the chosen covariances pulled to 0.

    :math:`E[\|\Sigma_s \odot \tilde M\|_1]`, here the mean over images and chosen covariances, so
    that the weight does not depend on the number of channels.

    Args:
        features: (N, C, H, W); gradients flow here.
        mask: (C, C), bool.

    Returns:
        Scalar in [0, 1]; 0 where nothing is chosen.
    """
    chosen = instance_covariance(features).abs() * mask
    return chosen.sum() / (len(features) * mask.sum().clamp(min=1))
