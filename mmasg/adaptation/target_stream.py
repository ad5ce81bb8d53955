"""An endless stream of unlabelled target batches that a resumed run takes up where it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmasg.errors import first_of, wrong

#: Added to the run's seed, so that a target frame's crop is not the source frame's.
_SEED_OFFSET = 7919


class TargetStream:
    """Batches of target frames, one an iteration, keyed as the source's are.

    Args:
        config: ``dataset`` and the other keys of a dataloader (``batch_size``, ``num_workers``,
            ...). The sampler and the keyed wrapper are added where they are not given.
        key: Config key to name in errors.
        classes: The source's class names, in order.
        seed: The run's seed.

    Raises:
        TypeError: ``config`` is no dict with a dataset.
        ValueError: The data set reads labels, is empty, or has other classes than the source.
    """

    def __init__(self, config: Any, key: str, classes: Sequence[str] | None, seed: int) -> None:
        if not isinstance(config, Mapping) or not isinstance(config.get("dataset"), Mapping):
            raise TypeError(
                wrong(key, config, "dict(dataset=dict(type=..., pipeline=[...]), batch_size=2)")
            )
        _refuse_labels(config["dataset"], f"{key}.dataset")
        config = dict(config)
        if config["dataset"].get("type") != "KeyedRandomnessDataset":
            config["dataset"] = dict(type="KeyedRandomnessDataset", dataset=config["dataset"])
        config.setdefault("sampler", dict(type="KeyedInfiniteSampler", shuffle=True))
        config.setdefault("batch_size", 1)
        config.setdefault("num_workers", 0)
        self.loader: DataLoader = _build(config, key, seed + _SEED_OFFSET)
        there = (getattr(self.loader.dataset, "metainfo", None) or {}).get("classes")
        if classes and there and list(there) != list(classes):
            other = [name for name in there if name not in classes]
            raise ValueError(
                f"{key}.dataset: its classes are not the source's, in the same order: "
                f"{first_of(list(there))} here, {first_of(list(classes))} there"
                f"{f' (only here: {first_of(other)})' if other else ''}. Give both data sets the "
                "same metainfo."
            )
        self._batches: Iterator[Any] | None = None

    def begin(self, iterations_done: int) -> None:
        """Start where a run that has done so many iterations stands."""
        if iterations_done:
            per_iteration = int(self.loader.batch_size or 1)
            self.loader.sampler.skip(iterations_done * per_iteration)  # type: ignore[attr-defined]
        self._batches = iter(self.loader)

    def next(self) -> dict[str, Any]:
        """The next batch, as the data set's pipeline packs it, without labels."""
        assert self._batches is not None
        batch = next(self._batches)
        for sample in batch["data_samples"]:
            for label in ("gt_sem_seg", "gt_label"):
                sample.pop(label, None)  # class folders have labels, too
        return batch

    def end(self) -> None:
        """End the data workers."""
        self._batches = None


def _build(config: dict, key: str, seed: int) -> DataLoader:
    try:
        return Runner.build_dataloader(config, seed=seed)
    except ValueError as error:
        # What mmengine's BaseDataset raises where load_data_list gave nothing to serialize.
        if "at least one array" not in str(error):
            raise
        raise ValueError(
            f"{key}.dataset: it has no frame. Check data_root, data_prefix, ann_file and "
            "img_suffix."
        ) from error


def _refuse_labels(item: Any, key: str) -> None:
    """Raise where a config, or one inside it, loads annotations."""
    if isinstance(item, Mapping):
        if "LoadAnnotations" in str(item.get("type")):
            raise ValueError(
                f"{key}: {item['type']} reads the target's labels, which this training must not "
                "see. Take it out of the pipeline; frames are all that is needed."
            )
        for name, value in item.items():
            _refuse_labels(value, f"{key}.{name}")
    elif isinstance(item, (list, tuple)):
        for index, value in enumerate(item):
            _refuse_labels(value, f"{key}[{index}]")
