"""Builds the data sets of a config as a training would, and lists their samples."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import DATASETS

from mmasg.datasets.class_maps import ids_by_name
from mmasg.files.loading import leaves, turns_images

from .files import Sample

LOADERS = {"train": "train_dataloader", "val": "val_dataloader", "test": "test_dataloader"}


@dataclass
class Listing:
    """The samples of one data loader.

    Attributes:
        names: The data sets' class names.
        roots: Their ``data_root``.
        classes: The classes' names.
        samples: All samples.
        errors: Why a data set could not be built or listed.
        warnings: What could not be looked at.
        ignore_index: The first data set's.
        by_name: Where MMSegmentation maps ids by class names: the registered classes, and the
            new id of every old one.
        turns: Whether images are turned by their orientation tag while they are loaded.
    """

    names: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ignore_index: int = 255
    by_name: tuple[tuple[str, ...], dict[int, int]] | None = None
    turns: bool = True


def list_samples(dataset_cfg: dict) -> Listing:
    """Builds a data set without its pipelines and lists its samples.

    Args:
        dataset_cfg: The ``dataset`` of a data loader. Wrappers (``ConcatDataset``,
            ``RepeatDataset``, any with ``.dataset`` or ``.datasets``) are seen through: every
            file is listed once however often it is repeated, and the wrappers' own arguments are
            not looked at.

    Returns:
        The listing; what goes wrong is in its ``errors``.
    """
    listing = Listing()
    pipelines = [part["pipeline"] for part in _dicts(dataset_cfg) if part.get("pipeline")]
    listing.turns = all(map(turns_images, pipelines))
    cfg = _without(copy.deepcopy(dataset_cfg), "pipeline")
    for part in _parts(cfg):
        dataset = _build(part, listing)
        if dataset is not None:
            for leaf in leaves(dataset):
                _list_leaf(leaf, listing)
    if not listing.samples and not listing.errors and not listing.warnings:
        listing.errors.append("the data set is empty: no sample was found")
    return listing


def _parts(cfg: dict) -> Iterator[dict]:
    """Yields the configs inside wrappers, so that one bad part does not hide the others."""
    inner = cfg.get("datasets", cfg.get("dataset"))
    if isinstance(inner, dict):
        yield from _parts(inner)
    elif isinstance(inner, (list, tuple)) and all(isinstance(part, dict) for part in inner):
        for part in inner:
            yield from _parts(part)
    else:
        yield cfg


def _build(cfg: dict, listing: Listing) -> Any:
    """Builds; data sets that refuse to be incomplete get a second try without their checks.

    The second try is there so that the report also covers the files that do exist.
    """
    try:
        return DATASETS.build(cfg)
    except Exception as error:  # a config may name any class, which may raise anything
        listing.errors.append(_why(error))
        if not isinstance(error, FileNotFoundError) or not _relax(cfg):
            return None
    try:
        return DATASETS.build(cfg)
    except Exception:  # the first error has said why
        return None


def _why(error: Exception) -> str:
    # What mmengine says when it serializes a data set without samples.
    if isinstance(error, ValueError) and "need at least one array to concatenate" in str(error):
        return (
            "the data set is empty: no image was found (data_root, data_prefix, img_suffix, "
            "ann_file)"
        )
    return f"the data set cannot be built: {_text(error)}"


def _relax(cfg: Any) -> bool:
    """Turns off the file checks of the data sets of ours in a config; says if there were any."""
    relaxed = False
    for part in _dicts(cfg):
        kind = part.get("type")
        cls = DATASETS.get(kind) if isinstance(kind, str) else kind
        for base in cls.__mro__ if isinstance(cls, type) else ():
            for name in ("check_files", "check_images"):
                if name in inspect.signature(vars(base).get("__init__", object)).parameters:
                    part[name] = False
                    relaxed = True
    return relaxed


def _dicts(cfg: Any) -> Iterator[dict]:
    if isinstance(cfg, dict):
        yield cfg
        for value in cfg.values():
            yield from _dicts(value)
    elif isinstance(cfg, (list, tuple)):
        for value in cfg:
            yield from _dicts(value)


def _without(cfg: Any, key: str) -> Any:
    """Empties the pipelines, whose transforms are not needed to list files."""
    for part in _dicts(cfg):
        if key in part and isinstance(part, (dict, ConfigDict)):
            part[key] = []
    return cfg


def _list_leaf(dataset: Any, listing: Listing) -> None:
    name = type(dataset).__name__
    listing.names.append(name)
    listing.roots.append(str(getattr(dataset, "data_root", "") or ""))
    if not hasattr(dataset, "get_data_info"):
        listing.warnings.append(
            f"{name} has no get_data_info(): its files cannot be listed and are not checked"
        )
        return
    classes = tuple((getattr(dataset, "metainfo", None) or {}).get("classes") or ())
    if not classes:
        listing.errors.append(f"{name} names no classes (metainfo.classes): ids cannot be checked")
        return
    if listing.classes and classes != listing.classes:
        listing.errors.append(
            f"{name} has other classes than the data sets before it: {len(classes)} "
            f"instead of {len(listing.classes)}, or in another order"
        )
        return
    listing.classes = classes
    listing.ignore_index = getattr(dataset, "ignore_index", 255)
    listing.by_name = ids_by_name(dataset)
    try:
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    except Exception as error:
        listing.errors.append(f"{name} cannot be listed: {_text(error)}")
        return
    for info in infos:
        if "img_path" not in info:
            listing.warnings.append(f"{name}'s samples have no img_path: its files are not checked")
            return
        class_id = info.get("gt_label")
        listing.samples.append(
            Sample(
                image=str(info["img_path"]),
                label=info.get("seg_map_path"),
                num_classes=len(classes),
                label_map=info.get("label_map"),
                reduce_zero_label=bool(info.get("reduce_zero_label", False)),
                class_id=None if class_id is None else int(class_id),
                backend_args=getattr(dataset, "backend_args", None),
                turns=listing.turns,
            )
        )


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
