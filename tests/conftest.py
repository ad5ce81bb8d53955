"""One thread a process: two torch processes that use all cores slow each other ten-fold."""

import os
import random

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import cv2
import numpy as np
import pytest
import torch

cv2.setNumThreads(0)
torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and there is none"))


@pytest.fixture(autouse=True)
def _same_draws_in_every_order():
    """Networks built without a seed would depend on which tests ran before in the process."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _fresh_default_scope():
    """A Runner leaves its default scope behind, which is global: begin in mmengine's own."""
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmengine"):
        yield
