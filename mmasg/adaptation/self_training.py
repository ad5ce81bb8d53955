"""Rounds of self-training: label the target, train on both, label it again."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .target_frames import KEY

#: Portion of the first round, growth a round and cap (CBST, section 5).
PORTIONS = (0.2, 0.05, 0.5)


def portion_of(round_number: int, portions: Sequence[float] = PORTIONS) -> float:
    """Portion of the pixels kept in a round, counted from 0: 0.2, 0.25, ... up to 0.5."""
    first, step, most = portions
    return round(min(first + step * round_number, most), 6)


def round_config(
    cfg: Config,
    labels: Path,
    checkpoint: Path,
    work_dir: Path,
    ratio: Sequence[int] = (1, 1),
    iters: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """The ordinary training config of one round.

    Args:
        cfg: The source's training config, with ``target_dataset``.
        labels: Folder of the round's pseudo labels.
        checkpoint: The weights that the round starts from.
        work_dir: Folder of the round's training.
        ratio: Source and target samples in a turn. Defaults to one of each.
        iters: Iterations of the round. Defaults to the config's.
        options: Further settings, as ``--cfg-options``.

    Returns:
        A config for ``tools/train.py``; hooks, losses and rates are those of ``cfg``.

    Raises:
        ValueError: The training is not iteration-based, or the ratio does not divide the batch.
    """
    made = copy.deepcopy(cfg)
    loader = made.train_dataloader
    size = int(loader.get("batch_size", 1))
    if size % sum(ratio):
        raise ValueError(
            f"--ratio: {':'.join(map(str, ratio))} does not divide batches of {size} "
            f"(train_dataloader.batch_size). Allowed: a batch size that is a multiple of "
            f"{sum(ratio)}, or another ratio."
        )
    if made.train_cfg.get("max_iters") is None:
        raise ValueError(
            "train_cfg: self-training counts a round in iterations, and the config has no "
            "max_iters: train_cfg=dict(type='IterBasedTrainLoop', max_iters=...)."
        )
    source = loader.dataset
    if source.get("type") == "KeyedRandomnessDataset":
        source = source.dataset
    target = copy.deepcopy(made[KEY])
    target["data_prefix"]["seg_map_path"] = str(labels.resolve())
    loader.dataset = dict(
        type="KeyedRandomnessDataset",
        dataset=dict(type="ConcatDataset", datasets=[source, target]),
    )
    loader.sampler = dict(type="KeyedRatioSampler", ratio=list(ratio), shuffle=True)
    made.load_from = str(checkpoint.resolve())
    made.resume = False
    made.work_dir = str(work_dir)
    if iters is not None:
        before = made.train_cfg.max_iters
        made.train_cfg.max_iters = iters
        _shorten(made, before, iters)
    if options:
        made.merge_from_dict(dict(options))
    return made


def _shorten(cfg: Config, before: int, now: int) -> None:
    """Bring what counts to the end of the training to its new end."""
    if cfg.train_cfg.get("val_interval") is not None:
        cfg.train_cfg.val_interval = min(cfg.train_cfg.val_interval, now)
    for scheduler in cfg.get("param_scheduler") or []:
        for key in ("end", "max_iters"):
            if scheduler.get(key) == before:
                scheduler[key] = now
