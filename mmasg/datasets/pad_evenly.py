"""Padding on all sides, to what is 0 after normalisation."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from mmasg.errors import wrong


@TRANSFORMS.register_module()
class PadEvenly(BaseTransform):
    """Pad images and labels that are smaller than ``size``, evenly on both sides.

    ASG pads after normalisation with 0. MMSegmentation normalises in the model's data
    preprocessor, so the image is padded here with the mean that it subtracts, in float32 where
    anything is padded: after normalisation that is exactly 0. Where the difference is odd, the
    right or the lower side gets the larger half.

    Required keys: ``img``, ``seg_fields`` and the label maps that it names. Modified keys:
    ``img``, the label maps, ``img_shape``, ``pad_shape``.

    Args:
        size (Sequence[int]): Least (height, width) of the result, in pixels.
        mean (Sequence[float]): The data preprocessor's ``mean``, in its (RGB) order. Commands of
            ours fill it in from the model (:func:`take_mean`). Defaults to ImageNet's.
        bgr (bool): Whether images are BGR here, as mmcv loads them. Defaults to True.
        seg_pad_val (int): Label of padded pixels. Defaults to 255, the ignored one.

    Raises:
        ValueError: ``size`` or ``mean`` of another length than 2 and 3.
    """

    def __init__(
        self,
        size: Sequence[int],
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        bgr: bool = True,
        seg_pad_val: int = 255,
    ) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ValueError(wrong("PadEvenly.size", size, "(height, width) in pixels"))
        if len(mean) != 3:
            allowed = "the data preprocessor's mean, three numbers in RGB order"
            raise ValueError(wrong("PadEvenly.mean", mean, allowed))
        self.size = tuple(size)
        self.value = tuple(mean[::-1] if bgr else mean)
        self.seg_pad_val = seg_pad_val

    def transform(self, results: dict) -> dict:
        """Pad one sample."""
        height, width = results["img"].shape[:2]
        missing = [max(0, self.size[0] - height), max(0, self.size[1] - width)]
        results["pad_shape"] = (height + missing[0], width + missing[1])
        if any(missing):
            pads = [(m // 2, m - m // 2) for m in missing]
            image = np.empty((*results["pad_shape"], 3), dtype=np.float32)
            image[:] = np.asarray(self.value, dtype=np.float32)
            top, left = pads[0][0], pads[1][0]
            image[top : top + height, left : left + width] = results["img"]
            results["img"] = image
            for key in results.get("seg_fields", []):
                around = [*pads, (0, 0)][: results[key].ndim]  # a map may have channels
                results[key] = np.pad(results[key], around, constant_values=self.seg_pad_val)
        results["img_shape"] = results["img"].shape[:2]
        return results


def take_mean(config: MutableMapping[str, Any]) -> None:
    """Give every ``PadEvenly`` of a config the mean that its model subtracts.

    Args:
        config: A whole config; ``mean`` is filled in where it is left out.

    Raises:
        ValueError: A ``mean`` is given that the model's data preprocessor does not have.
    """
    model = config.get("model")
    preprocessor = model.get("data_preprocessor") if isinstance(model, MutableMapping) else None
    mean = (preprocessor or config.get("data_preprocessor") or {}).get("mean")
    if mean is None:
        return
    todo: list[tuple[str, Any]] = [(key, config[key]) for key in config if key != "model"]
    while todo:
        key, part = todo.pop()
        if isinstance(part, (list, tuple)):
            todo += [(f"{key}[{index}]", inner) for index, inner in enumerate(part)]
        elif isinstance(part, MutableMapping):
            todo += [(f"{key}.{name}", inner) for name, inner in part.items()]
            if part.get("type") in ("PadEvenly", PadEvenly):
                given = part.setdefault("mean", list(mean))
                if list(given) != list(mean):
                    allowed = f"model.data_preprocessor.mean, {list(mean)}"
                    raise ValueError(wrong(f"{key}.mean", given, allowed, "Leave it out."))
