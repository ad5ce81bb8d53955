"""Instance selective whitening: a loss on what photometric changes do to feature covariances."""

from .covariances import instance_covariance, sensitive_mask, whitening_loss
from .whitening_hook import InstanceWhiteningHook

__all__ = [
    "InstanceWhiteningHook",
    "instance_covariance",
    "sensitive_mask",
    "whitening_loss",
]
