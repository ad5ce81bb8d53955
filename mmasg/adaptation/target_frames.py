"""The unlabelled frames of a config's ``target_dataset``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, init_default_scope

from mmasg.prediction.image_prediction import prediction_pipeline

KEY = "target_dataset"


class TargetFrames:
    """Frames to be labelled, and where the label of each belongs.

    The data set of the config lists the frames, without looking for labels; each is prepared by
    the test pipeline, without its steps that read labels.

    Args:
        cfg: A config with ``target_dataset``, the data set as it is to be trained on, and
            ``test_dataloader``.
        mirror: Prepare the mirror image too. Defaults to False.

    Raises:
        ValueError: There is no ``target_dataset``, or it has no ``img_path``.
    """

    def __init__(self, cfg: Config, mirror: bool = False) -> None:
        target = cfg.get(KEY)
        if not isinstance(target, Mapping) or not (target.get("data_prefix") or {}).get("img_path"):
            raise ValueError(
                f"{KEY}: the config has none with a data_prefix.img_path. Add the unlabelled "
                f"frames as the data set to be trained on: {KEY} = dict(type=..., data_root=..., "
                "data_prefix=dict(img_path=...), pipeline=train_pipeline)."
            )
        init_default_scope(cfg.get("default_scope", "mmseg"))
        steps = prediction_pipeline(cfg)
        flip = dict(type="RandomFlip", prob=1.0)
        self.pipelines = [Compose(steps)]
        if mirror:
            self.pipelines.append(Compose([*steps[:-1], flip, steps[-1]]))
        listed = dict(target, test_mode=True, pipeline=[])
        listed["data_prefix"] = dict(img_path=target["data_prefix"]["img_path"])
        self.dataset = DATASETS.build(listed)
        self.dataset.full_init()
        self.folder = Path(self.dataset.data_prefix["img_path"])
        self.classes: tuple[str, ...] = tuple(self.dataset.metainfo["classes"])

    def __len__(self) -> int:
        return len(self.dataset)

    def path(self, index: int) -> Path:
        """The file of a frame."""
        return Path(self.dataset.get_data_info(index)["img_path"])

    def label_name(self, index: int) -> Path:
        """Path of a frame's label below the folder of labels, as the data set expects it."""
        relative = str(self.path(index).relative_to(self.folder))
        stem = relative.removesuffix(self.dataset.img_suffix)
        return Path(stem + self.dataset.seg_map_suffix)

    def prepared(self, index: int) -> list[dict[str, Any]]:
        """The frame as the model takes it, and its mirror image where that was asked for."""
        return [pipeline(dict(img_path=str(self.path(index)))) for pipeline in self.pipelines]
