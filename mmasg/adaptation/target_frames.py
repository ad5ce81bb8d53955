"""The unlabelled frames of a config's ``target_dataset``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, init_default_scope
from mmseg.datasets import BaseSegDataset
from torch.utils.data import DataLoader, Dataset, Subset

from mmasg.datasets.dataset_configs import class_names_of, innermost
from mmasg.errors import first_of
from mmasg.prediction.image_prediction import prediction_pipeline

KEY = "target_dataset"


class TargetFrames(Dataset):
    """Frames to be labelled, and where the label of each belongs.

    The data set of the config lists the frames, without looking for labels; each is prepared by
    the test pipeline, without its steps that read labels. For a classifier the frames are images:
    ``UnlabelledImages``, or class folders whose names are not looked at.

    Args:
        cfg: A config with ``target_dataset``, the data set as it is to be trained on, and
            ``test_dataloader``, which says in what batches and by how many workers frames come.
        mirror: Prepare the mirror image too. Defaults to False.

    Raises:
        ValueError: There is no ``target_dataset``, a data set of label maps has no ``img_path``,
            it has no frame, or its classes are not the source's.
    """

    def __init__(self, cfg: Config, mirror: bool = False) -> None:
        target = cfg.get(KEY)
        if not isinstance(target, Mapping) or not target.get("type"):
            raise ValueError(_missing("none"))
        init_default_scope(cfg.get("default_scope", "mmseg"))
        kind = target["type"] if isinstance(target["type"], type) else DATASETS.get(target["type"])
        #: Whether a frame has one label, not a map of them.
        self.classifies = not (isinstance(kind, type) and issubclass(kind, BaseSegDataset))
        self.mirror = mirror
        steps = prediction_pipeline(cfg)
        flip = dict(type="RandomFlip", prob=1.0)
        self.pipelines = [Compose(steps)]
        if mirror:
            self.pipelines.append(Compose([*steps[:-1], flip, steps[-1]]))
        loader = cfg.test_dataloader
        self._loading: dict[str, Any] = dict(
            batch_size=int(loader.get("batch_size", 1)),
            num_workers=int(loader.get("num_workers", 0)),
        )
        self.dataset = _built(target, self.classifies)
        self.folder = Path(self.dataset.data_prefix["img_path"])
        self.classes = _classes(self.dataset, cfg)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> list[dict[str, Any]]:
        """The frame as the model takes it, and its mirror image where that was asked for."""
        return [pipeline(dict(img_path=str(self.path(index)))) for pipeline in self.pipelines]

    def batches(self, indices: Sequence[int]) -> Iterator[list[list[dict[str, Any]]]]:
        """Some frames in batches, loaded as ``test_dataloader`` loads its own."""
        yield from DataLoader(Subset(self, list(indices)), collate_fn=list, **self._loading)

    def path(self, index: int) -> Path:
        """The file of a frame."""
        return Path(self.dataset.get_data_info(index)["img_path"])

    def name(self, index: int) -> str:
        """Path of a frame below the folder of frames."""
        return self.path(index).relative_to(self.folder).as_posix()

    def label_name(self, index: int) -> Path:
        """Path of a frame's label below the folder of labels, as the data set expects it."""
        if self.classifies:
            return Path(self.name(index))
        stem = self.name(index).removesuffix(self.dataset.img_suffix)
        return Path(stem + self.dataset.seg_map_suffix)


def _built(target: Mapping[str, Any], classifies: bool) -> Any:
    """The data set that lists the frames, and reads no label."""
    listed = dict(target, test_mode=True, pipeline=[])
    if not classifies:
        prefix = (target.get("data_prefix") or {}).get("img_path")
        if prefix is None:
            raise ValueError(_missing("none with a data_prefix.img_path"))
        listed["data_prefix"] = dict(img_path=prefix)
    try:
        dataset = DATASETS.build(listed)
        dataset.full_init()
    except ValueError as error:
        # What mmengine's BaseDataset raises where load_data_list gave nothing to serialize.
        if "at least one array" not in str(error):
            raise
        raise ValueError(
            f"{KEY}: it has no frame. Check data_root, data_prefix, ann_file and img_suffix."
        ) from error
    return dataset


def _classes(dataset: Any, cfg: Config) -> tuple[str, ...]:
    """The source's classes, which the target's have to be."""
    own = tuple(dataset.metainfo.get("classes") or ())
    source = next(innermost((cfg.get("train_dataloader") or {}).get("dataset")), None)
    names = class_names_of(source) if source else ()
    if not (own or names):
        raise ValueError(f"{KEY}: it names no classes: give it metainfo=dict(classes=[...]).")
    if own and names and own != names:
        other = [name for name in own if name not in names]
        raise ValueError(
            f"{KEY}: its classes are not the source's, in the same order: {first_of(own)} here, "
            f"{first_of(names)} there{f' (only here: {first_of(other)})' if other else ''}. Give "
            "both data sets the same metainfo."
        )
    return own or names


def _missing(what: str) -> str:
    return (
        f"{KEY}: the config has {what}. Add the unlabelled frames as the data set to be trained "
        f"on: {KEY} = dict(type=..., data_root=..., data_prefix=dict(img_path=...), "
        "pipeline=train_pipeline); of a classifier dict(type='UnlabelledImages', data_root=..., "
        "pipeline=...)."
    )
