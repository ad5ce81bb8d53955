"""Rounds of self-training: label the target, train on both, label it again."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS
from mmseg.datasets import BaseSegDataset

from mmasg.datasets.dataset_configs import class_names_of, innermost
from mmasg.errors import did_you_mean, wrong

from .label_files import LIST, soft_folder
from .target_frames import KEY

#: Top-level key of a config that holds :class:`Rounds`.
ROUNDS = "self_training"
#: Portion of the first round, growth a round and cap (CBST, section 5).
PORTIONS = (0.2, 0.05, 0.5)
REGULARIZERS = ("none", "mrkld", "lrent")
#: Weights of CRST's regularisers (section 5): of MRKLD, and of LRENT's entropy.
MRKLD, LRENT = 0.1, 0.25


@dataclass
class Rounds:
    """How self-training is done: a config's ``self_training``, the command line over it.

    Args:
        rounds: How many.
        iters: Iterations of each; None: those of the config.
        portions: Share of each class's pixels that is kept: in the first round, growth, cap.
        ratio: Source and target samples in a turn.
        mirror: Label by the mirror image too.
        regularizer: ``'none'``: CBST; ``'mrkld'``, ``'lrent'``: CRST.
        alpha: Weight of the regulariser; None: the paper's, 0.1 (MRKLD) and 0.25 (LRENT).

    Raises:
        ValueError: A value out of its range.
    """

    rounds: int = 3
    iters: int | None = None
    portions: Sequence[float] = PORTIONS
    ratio: Sequence[int] = (1, 1)
    mirror: bool = False
    regularizer: str = "none"
    alpha: float | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "iters"):
            value = getattr(self, name)
            if not (value is None and name == "iters") and (type(value) is not int or value < 1):
                raise ValueError(wrong(f"--{name}", value, "a whole number above 0"))
        first, step, most = self.portions
        if not (0 < first <= most <= 1 and step >= 0):
            allowed = "first, growth and cap with 0 < first <= cap <= 1 and growth >= 0"
            raise ValueError(wrong("--portions", tuple(self.portions), allowed))
        if self.regularizer not in REGULARIZERS:
            hint = did_you_mean(self.regularizer, REGULARIZERS).strip()
            raise ValueError(
                wrong("--regularizer", self.regularizer, ", ".join(REGULARIZERS), hint)
            )
        if self.alpha is not None and not 0 < self.alpha < float("inf"):
            raise ValueError(wrong("--alpha", self.alpha, "a number above 0"))

    @classmethod
    def of(cls, cfg: Config, given: Mapping[str, Any]) -> Rounds:
        """Read a config's ``self_training``, and take what the command line gives over it.

        Raises:
            TypeError: ``self_training`` is no dict.
            ValueError: It has a key that is none; or a value is out of its range.
        """
        own = cfg.get(ROUNDS) or {}
        if not isinstance(own, Mapping):
            raise TypeError(wrong(ROUNDS, own, "dict(rounds=3, regularizer='mrkld', ...)"))
        known = [field.name for field in fields(cls)]
        for key in own:
            if key not in known:
                hint = did_you_mean(key, known).strip()
                raise ValueError(wrong(f"{ROUNDS}.{key}", own[key], ", ".join(known), hint))
        return cls(**{**own, **{key: v for key, v in given.items() if v is not None}})

    @property
    def soft(self) -> float | None:
        """Weight of the entropy by which labels are made soft; None: hard labels."""
        return (self.alpha or LRENT) if self.regularizer == "lrent" else None

    def portion(self, number: int) -> float:
        """Portion of the pixels kept in a round, counted from 0: 0.2, 0.25, ... up to 0.5."""
        first, step, most = self.portions
        return round(min(first + step * number, most), 6)

    def hook(self) -> dict | None:
        """The hook of a round's training; None: CBST needs none."""
        if self.regularizer == "mrkld":
            loss = dict(type="MRKLDLoss", loss_weight=self.alpha or MRKLD)
            return dict(type="SelfTrainingHook", regularizer=loss)
        return dict(type="SelfTrainingHook", soft_labels=True) if self.soft is not None else None


def round_config(
    cfg: Config,
    labels: Path,
    checkpoint: Path,
    work_dir: Path,
    rounds: Rounds,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """The ordinary training config of one round.

    Args:
        cfg: The source's training config, with ``target_dataset``.
        labels: Folder of the round's pseudo labels.
        checkpoint: The weights that the round starts from.
        work_dir: Folder of the round's training.
        rounds: How it is done.
        options: Further settings, as ``--cfg-options``.

    Returns:
        A config for ``tools/train.py``; hooks, losses and rates are those of ``cfg``.

    Raises:
        ValueError: The training is not iteration-based and ``rounds.iters`` not given, or the
            ratio does not divide the batch.
    """
    made = copy.deepcopy(cfg)
    loader, ratio = made.train_dataloader, list(rounds.ratio)
    size = int(loader.get("batch_size", 1))
    if size % sum(ratio):
        raise ValueError(
            f"--ratio: {':'.join(map(str, ratio))} does not divide batches of {size} "
            f"(train_dataloader.batch_size). Allowed: a batch size that is a multiple of "
            f"{sum(ratio)}, or another ratio."
        )
    _count_iterations(made, rounds.iters)
    source = loader.dataset
    if source.get("type") == "KeyedRandomnessDataset":
        source = source.dataset
    loader.dataset = dict(
        type="KeyedRandomnessDataset",
        dataset=dict(
            type="ConcatDataset",
            datasets=[source, _labelled(made, labels, rounds)],
            # Classes alone have to be the same.
            ignore_keys=["palette", "label_map", "reduce_zero_label"],
        ),
    )
    rare = loader.sampler if loader.sampler.get("type") == "RareClassSampler" else {}
    loader.sampler = {"type": "KeyedRatioSampler", "shuffle": True, **rare, "ratio": ratio}
    hook = rounds.hook()
    if hook is not None:
        made.custom_hooks = [*(made.get("custom_hooks") or []), hook]
    made.load_from = str(checkpoint.resolve())
    made.resume = False
    made.work_dir = str(work_dir)
    if options:
        made.merge_from_dict(dict(options))
    return made


def _labelled(cfg: Config, labels: Path, rounds: Rounds) -> dict[str, Any]:
    """The target with its pseudo labels, as a data set to train on."""
    target = copy.deepcopy(cfg[KEY])
    kind = target["type"] if isinstance(target["type"], type) else DATASETS.get(target["type"])
    maps = isinstance(kind, type) and issubclass(kind, BaseSegDataset)
    if not target.get("pipeline"):
        raise ValueError(
            f"{KEY}.pipeline: there is none; give the training's: pipeline=train_pipeline."
        )
    root = labels.resolve()
    steps = [dict(step) for step in target["pipeline"]]
    if maps:
        target["data_prefix"]["seg_map_path"] = str(root)
        at = next(n for n, step in enumerate(steps) if "LoadAnnotations" in str(step["type"])) + 1
        below, of = str(root), "seg_map_path"
    else:
        names = class_names_of(target) or class_names_of(next(innermost(cfg.train_dataloader)))
        if not names:
            raise ValueError(f"{KEY}: it names no classes: give it metainfo=dict(classes=[...]).")
        prefix = target.get("data_prefix") or {}
        target = dict(
            type="FolderClassificationDataset",
            data_root=target["data_root"],
            data_prefix=prefix or dict(img_path=""),
            ann_file=str(root / LIST),
            check_folders=False,
            metainfo=dict(classes=list(names)),
        )
        at, of = 1, "img_path"
        below = str(Path(target["data_root"]) / prefix.get("img_path", ""))
    if rounds.soft is not None:
        soft = dict(type="LoadSoftLabels", folder=str(soft_folder(root)), root=below, of=of)
        steps.insert(at, soft)
    steps[-1] = dict(type="PackPseudoLabels", pack=steps[-1])
    return {**target, "pipeline": steps}


def _count_iterations(cfg: Config, iters: int | None) -> None:
    """Give the training the round's length, in iterations whatever it counted before."""
    before = cfg.train_cfg.get("max_iters")
    if before is None and iters is None:
        raise ValueError(
            "train_cfg: self-training counts a round in iterations, and the config counts epochs. "
            "Give --iters (or iters in the config's self_training)."
        )
    if before is None:
        for index, scheduler in enumerate(cfg.get("param_scheduler") or []):
            if scheduler.get("by_epoch", True):
                key = f"param_scheduler[{index}].by_epoch"
                remedy = "Set it to False and count in iterations."
                raise ValueError(wrong(key, True, "False in self-training", remedy))
        cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iters, val_interval=iters)
        cfg.log_processor = dict(cfg.get("log_processor") or {}, by_epoch=False)
        hooks = cfg.get("default_hooks") or {}
        for name, settings in (
            ("logger", dict(log_metric_by_epoch=False)),
            ("checkpoint", dict(by_epoch=False, interval=iters)),
        ):
            if hooks.get(name) is not None:
                hooks[name].update(settings)
    elif iters is not None:
        cfg.train_cfg.max_iters = iters
        _shorten(cfg, before, iters)


def _shorten(cfg: Config, before: int, now: int) -> None:
    """Bring what counts to the end of the training to its new end."""
    if cfg.train_cfg.get("val_interval") is not None:
        cfg.train_cfg.val_interval = min(cfg.train_cfg.val_interval, now)
    for scheduler in cfg.get("param_scheduler") or []:
        for key in ("end", "max_iters"):
            if scheduler.get(key) == before:
                scheduler[key] = now
