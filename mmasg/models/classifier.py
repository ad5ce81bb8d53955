"""Image classifier without a dependency on MMPreTrain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement

from mmasg.datasets.classification_sample import ClassificationSample, set_prediction


@MODELS.register_module()
class SameSizeDataPreprocessor(ImgDataPreprocessor):
    """mmengine's ``ImgDataPreprocessor`` that refuses to pad images of unequal size.

    Padding is right for segmentation, where padded pixels carry the label *ignore*; a classifier
    would see the border without anybody noticing. Takes the arguments of its base class.
    """

    def forward(self, data: dict, training: bool = False) -> dict | list:
        """Move to the device, convert colours, normalise and stack.

        Args:
            data: ``inputs``, list of (3, H, W) or one (N, 3, H, W), and ``data_samples``.
            training: Passed on. Defaults to False.

        Returns:
            ``inputs`` as a float tensor (N, 3, H, W), and ``data_samples``.

        Raises:
            ValueError: If the images differ in size.
        """
        inputs = data["inputs"]
        if not isinstance(inputs, torch.Tensor):
            sizes = sorted({tuple(image.shape) for image in inputs})
            if len(sizes) > 1:
                raise ValueError(
                    f"the images of one batch have different shapes: {sizes}. Add "
                    "dict(type='ResizeShorterSide', size=...) and dict(type='CenterCrop', "
                    "crop_size=...) to the pipeline, or use batch_size=1"
                )
        return super().forward(data, training)


@MODELS.register_module()
class SynRealClassifier(BaseModel):
    """A backbone and a classification head as an mmengine model.

    Takes any backbone of MMSegmentation or of this package, by its place in the registry.
    Parameter names: ``backbone.*`` and ``head.*``.

    Args:
        backbone: Config of the backbone, with its ``init_cfg`` for the ImageNet weights.
        head: Config of the head: ``forward(feats)`` gives logits, ``loss(logits, labels)``
            a dict of losses.
        data_preprocessor: Config of the preprocessor. Defaults to None: colours are swapped
            to RGB and normalised with ImageNet's mean and standard deviation.
        init_cfg: mmengine's initialisation settings. Defaults to None.

    Example:
        >>> model = dict(
        ...     type='SynRealClassifier',
        ...     backbone=dict(type='mmseg.ResNet', depth=101, init_cfg=dict(
        ...         type='Pretrained', checkpoint='torchvision://resnet101')),
        ...     head=dict(type='MLPClassifierHead', in_channels=2048, num_classes=12))
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if data_preprocessor is None:
            data_preprocessor = {
                "type": "SameSizeDataPreprocessor",
                "mean": [123.675, 116.28, 103.53],
                "std": [58.395, 57.12, 57.375],
                "bgr_to_rgb": True,
            }
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)

    def forward(
        self,
        inputs: torch.Tensor,
        data_samples: Sequence[BaseDataElement] | None = None,
        mode: str = "tensor",
    ) -> torch.Tensor | dict[str, torch.Tensor] | list[BaseDataElement]:
        """Run the model.

        Args:
            inputs: Preprocessed images, (N, 3, H, W).
            data_samples: One sample per image; needed (with ``gt_label``) by mode ``loss``.
                Defaults to None.
            mode: ``tensor``, ``loss`` or ``predict``. Defaults to ``tensor``.

        Returns:
            ``tensor``: logits, (N, classes). ``loss``: dict of losses. ``predict``: the samples,
            each with ``pred_label``, ``pred_score`` (softmax) and ``pred_logits``.

        Raises:
            ValueError: If the mode is another, or labels are missing for mode ``loss``.
        """
        if mode not in ("tensor", "loss", "predict"):
            raise ValueError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")
        logits = self.head(self.backbone(inputs))
        if mode == "tensor":
            return logits
        if mode == "loss":
            return self.head.loss(logits, self._labels(data_samples, logits.device))
        if data_samples is None:
            data_samples = [ClassificationSample() for _ in logits]
        scores = logits.float().softmax(dim=1)
        for sample, score, row in zip(data_samples, scores, logits, strict=True):
            set_prediction(sample, score, row)
        return list(data_samples)

    @staticmethod
    def _labels(
        data_samples: Sequence[BaseDataElement] | None, device: torch.device
    ) -> torch.Tensor:
        """Collect the class indices, (N,)."""
        if data_samples is None or not all("gt_label" in sample for sample in data_samples):
            raise ValueError(
                "mode='loss' needs data_samples that all have a gt_label; the dataset's pipeline "
                "must end with dict(type='PackClassification')"
            )
        return torch.cat([sample.gt_label.reshape(1) for sample in data_samples]).to(device)
