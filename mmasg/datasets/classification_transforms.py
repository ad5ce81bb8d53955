"""Pipeline steps of image classification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from PIL import Image

from .classification_sample import ClassificationSample

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@TRANSFORMS.register_module()
class ResizeShorterSide(BaseTransform):
    """Resize so that the shorter side gets a given length, with Pillow.

    Pillow's filters widen when an image shrinks, so that nothing is skipped; OpenCV's bilinear
    filter does not, and gives networks that were trained on the former a different image. The
    longer side is ``int(size * long / short)``, as torchvision's ``Resize`` has it.

    Changes ``img``, ``img_shape``; adds ``scale_factor`` (width, height).

    Args:
        size: Length of the shorter side in pixels.
        interpolation: 'nearest', 'bilinear', 'bicubic' or 'lanczos'. Defaults to 'bilinear'.

    Raises:
        ValueError: If the size is not positive or the interpolation is unknown.
    """

    def __init__(self, size: int, interpolation: str = "bilinear") -> None:
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"ResizeShorterSide: size must be a positive integer, got {size!r}")
        if interpolation not in _FILTERS:
            raise ValueError(
                f"ResizeShorterSide: interpolation must be one of {sorted(_FILTERS)}, "
                f"got {interpolation!r}"
            )
        self.size = size
        self.interpolation = interpolation

    def transform(self, results: dict) -> dict:
        """Resize ``results['img']``, uint8 of shape (H, W, 3) or (H, W).

        Args:
            results: The pipeline's dict.

        Returns:
            The same dict, changed.
        """
        img = results["img"]
        height, width = img.shape[:2]
        if width <= height:
            new_width, new_height = self.size, int(self.size * height / width)
        else:
            new_width, new_height = int(self.size * width / height), self.size
        if (new_width, new_height) != (width, height):
            resized = Image.fromarray(img).resize(
                (new_width, new_height), _FILTERS[self.interpolation]
            )
            results["img"] = np.array(resized)
        results["img_shape"] = (new_height, new_width)
        results["scale_factor"] = (new_width / width, new_height / height)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation!r})"


@TRANSFORMS.register_module()
class PackClassification(BaseTransform):
    """Pack the image and its label for a classifier.

    Gives ``inputs``, a uint8 tensor (3, H, W), and ``data_samples``, a
    :class:`~mmasg.datasets.classification_sample.ClassificationSample`.

    Args:
        meta_keys: What to keep in the sample's meta information, where present.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            "sample_idx",
            "img_path",
            "ori_shape",
            "img_shape",
            "scale_factor",
            "flip",
            "flip_direction",
        ),
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack.

        Args:
            results: The pipeline's dict, with ``img`` (H, W, 3) or (H, W).

        Returns:
            ``inputs`` and ``data_samples``.
        """
        img = results["img"]
        if img.ndim == 2:
            img = np.repeat(img[..., None], 3, axis=2)
        sample = ClassificationSample()
        if "gt_label" in results:
            sample.set_gt_label(results["gt_label"])
        sample.set_metainfo({key: results[key] for key in self.meta_keys if key in results})
        inputs = torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))
        return {"inputs": inputs, "data_samples": sample}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(meta_keys={self.meta_keys})"
