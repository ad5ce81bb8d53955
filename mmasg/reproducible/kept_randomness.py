"""Blocks that leave the process's random generators as they found them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def kept_randomness(cuda: bool = False) -> Iterator[None]:
    """Run a block, then put the states of Python's, NumPy's and PyTorch's generators back.

    Args:
        cuda: The generators of the CUDA devices too. Defaults to False.
    """
    devices = list(range(torch.cuda.device_count())) if cuda and torch.cuda.is_initialized() else []
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
