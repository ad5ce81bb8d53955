"""Whether student and teacher start as the same network."""

from __future__ import annotations

import logging

import torch
from mmengine.logging import print_log
from torch import Tensor

#: Above this they do not. Rounding gives 1e-7 in float32; in half precision, where the teacher's
#: folded layers round elsewhere, up to 1e-4.
_TOLERANCE = 1e-5
_TOLERANCE_HALF = 1e-3


def report_start(distance: Tensor, name: str, student: str, key: str) -> None:
    """Log how far apart they are at the first iteration; a warning with reasons where they are.

    Args:
        distance: The raw distance, scalar.
        name: What it is called in the log.
        student: Dotted name of the student's module.
        key: The hook's name.
    """
    value = float(distance.detach())
    half = torch.is_autocast_enabled(distance.device.type)
    if value <= (_TOLERANCE_HALF if half else _TOLERANCE):
        print_log(f"{key}: student and teacher agree ({name} {value:.1e})", logger="current")
        return
    print_log(
        f"{key}: at the first iteration {name} is {value:.3g} and not 0: "
        f"student '{student}' and teacher are not the same network. Reasons "
        "seen: the student does not start from the ImageNet checkpoint of the teacher; "
        "eval_mode=None leaves dropout or BatchNorm in train mode; another feature index",
        logger="current",
        level=logging.WARNING,
    )
