"""ClassMix: half of a source frame's classes, pasted into a target frame.

Olsson et al., *ClassMix*, WACV 2021; across domains as in Tranheden et al., *DACS*, WACV 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mix_mask(
    source_label: Tensor, ignored: int = 255, generator: torch.Generator | None = None
) -> Tensor:
    """Where the source frame covers the target frame.

    Half of the classes that the source frame shows are drawn, rounded up (DACS, section 3.2);
    ignored pixels are never pasted.

    Args:
        source_label: (H, W), int64.
        ignored: The id that is no class. Defaults to 255.
        generator: Draws the classes. Defaults to torch's own.

    Returns:
        (H, W), bool.
    """
    classes = source_label.unique()
    classes = classes[classes != ignored]
    count = (len(classes) + 1) // 2
    order = torch.randperm(len(classes), generator=generator)
    return torch.isin(source_label, classes[order[:count].to(classes.device)])


def class_mix(mask: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Paste ``source`` into ``target`` where the mask is set.

    Args:
        mask: (H, W), bool.
        source: (..., H, W): an image, a label map or a map of weights.
        target: The same shape.

    Returns:
        A new tensor of that shape.
    """
    return torch.where(mask, source, target)
