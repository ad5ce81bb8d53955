"""A policy's training on somebody's own source data, made from the config of a training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from mmasg.datasets.dataset_configs import innermost
from mmasg.datasets.held_out import held_out_names
from mmasg.errors import wrong
from mmasg.optim.named_groups import CONSTRUCTOR_HINT

#: What a packing step says of the task: the metric's config, and the number that it returns.
_SCORES: dict[str, tuple[dict[str, Any], str]] = {
    "PackSegInputs": (dict(type="IoUMetric", iou_metrics=["mIoU"]), "mIoU"),
    "PackClassification": (dict(type="PerClassAccuracy"), "accuracy/mean"),
}
_WARMUP = 0.125


def tuning_environment(
    cfg: Config,
    iters: tuple[int, int] = (60, 400),
    held_out: float = 0.2,
    frames: int = 16,
    batch_size: int | None = None,
) -> dict[str, Any]:
    """Make the environment whose episodes are short trainings of a config on parts of its data.

    A share of the training data, the same one always, is held out: up to ``frames`` of it, under
    fixed photometric changes, score a network. The rest is trained on, in each episode a random
    half to all of it. Every episode goes through the warm-up-poly schedule in its own length. The
    config's validation and test data are not touched, its ``lr_mult`` is dropped.

    Args:
        cfg: Config of a training with layer groups.
        iters: Least and most iterations of an episode, drawn log-uniformly.
        held_out: Share held out.
        frames: Most samples that are scored.
        batch_size: Of an episode's training. Default: the config's.

    Returns:
        Arguments of :class:`~mmasg.l2o.TrainingEnvironment`.

    Raises:
        ValueError: Data sets that cannot be split, another task than segmentation and this
            project's classification, or a config without layer groups.
    """
    training = copy.deepcopy(cfg._cfg_dict.to_dict())
    _without_hand_set_rates(training)
    loader = training["train_dataloader"]
    parts = list(_places(loader.get("dataset"), "train_dataloader.dataset"))
    init_default_scope(cfg.get("default_scope") or "mmengine")
    scored: list[dict[str, Any]] = []
    draws: list[dict[str, Any]] = []
    left = frames
    for number, (key, dataset) in enumerate(parts):
        kept, out = _split(dataset, held_out, key)
        chosen = out[:: max(1, -(-len(out) // max(1, left // (len(parts) - number))))]
        left -= len(chosen)
        sizes = (max(1, len(kept) // 2), len(kept))
        draws.append(dict(subset=sizes, of=kept, keys=f"{key}.indices"))
        pipeline = _score_pipeline(dataset["pipeline"], training, key)
        scored.append(dict(dataset, indices=chosen, pipeline=pipeline))
        dataset["indices"] = kept
    keyed = "Keyed" if str(loader.get("sampler", {}).get("type")).startswith("Keyed") else ""
    loader["sampler"] = dict(type=f"{keyed}InfiniteSampler", shuffle=True)
    loader.pop("batch_sampler", None)
    if batch_size is not None:
        loader["batch_size"] = batch_size
    loader["num_workers"], loader["persistent_workers"] = 0, False
    training["train_cfg"] = dict(
        type="IterBasedTrainLoop", max_iters=iters[1], val_interval=10 * iters[1]
    )
    training["param_scheduler"] = [
        dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=max(1, iters[1] // 8))
    ]
    keys = {"train_cfg.max_iters": 1, "param_scheduler.0.warmup_iters": _WARMUP}
    draws.append(dict(log_uniform=tuple(iters), integer=True, keys=keys))
    evaluator, metric = _SCORES[parts[0][1]["pipeline"][-1]["type"]]
    score = dict(
        metric=metric,
        evaluator=evaluator,
        dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type="DefaultSampler", shuffle=False),
            dataset=scored[0] if len(scored) == 1 else dict(type="ConcatDataset", datasets=scored),
        ),
    )
    return dict(
        config=training, window=dict(windows=10), observes="groups", score=score, draws=draws
    )


def _without_hand_set_rates(training: dict[str, Any]) -> None:
    """Drop ``lr_mult``: the relative steps take its place."""
    wrapper = training["optim_wrapper"]
    name = "LayerGroupOptimWrapperConstructor"
    if wrapper.get("constructor") != name:
        got = wrapper.get("constructor")
        raise ValueError(wrong("optim_wrapper.constructor", got, repr(name), CONSTRUCTOR_HINT))
    groups = wrapper["paramwise_cfg"]
    groups.pop("lr_mult", None)
    for group in groups.get("groups", ()):
        group.pop("lr_mult", None)


def _places(dataset: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The data sets themselves within wrappers and joins, and their dotted keys."""
    if not isinstance(dataset, Mapping):
        return
    inner = [(f"{key}.dataset", dataset.get("dataset"))]
    inner += [(f"{key}.datasets.{i}", d) for i, d in enumerate(dataset.get("datasets") or ())]
    inner = [(place, part) for place, part in inner if isinstance(part, Mapping)]
    if not inner:
        yield key, dataset  # type: ignore[misc]
    for place, part in inner:
        yield from _places(part, place)


def _split(dataset: Mapping[str, Any], share: float, key: str) -> tuple[list[int], list[int]]:
    """Indices of a data set that are trained on, and of those held out."""
    whole = DATASETS.build(dict(dataset, indices=None, pipeline=[]))
    if not hasattr(whole, "get_data_info") or len(whole) < 2:
        allowed = "a data set of mmengine's kind (BaseDataset) with two samples at least"
        raise ValueError(wrong(f"{key}.type", dataset.get("type"), allowed))
    given, every = dataset.get("indices"), list(range(len(whole)))
    if isinstance(given, int):
        every = every[:given] if given >= 0 else every[given:]
    elif given is not None:
        every = list(given)
    names = {i: str(whole.get_data_info(i)["img_path"]) for i in every}
    out = held_out_names(names.values(), share)
    parts = [i for i in every if names[i] not in out], [i for i in every if names[i] in out]
    return parts


def _score_pipeline(
    pipeline: Sequence[Mapping[str, Any]], training: Mapping[str, Any], key: str
) -> list[dict[str, Any]]:
    """Loads and packs as in training, resizes as in testing, under fixed photometric changes."""
    load = [dict(step) for step in pipeline if "Load" in str(step["type"])]
    pack = dict(pipeline[-1])
    if pack["type"] not in _SCORES or not load:
        allowed = f"a pipeline that loads an image and ends with one of {', '.join(_SCORES)}"
        raise ValueError(wrong(f"{key}.pipeline", [step["type"] for step in pipeline], allowed))
    middle: list[dict[str, Any]] = []
    for loader in ("val_dataloader", "test_dataloader"):
        tests = list(innermost((training.get(loader) or {}).get("dataset")))
        if tests and "pipeline" in tests[0]:
            kept = [step for step in tests[0]["pipeline"] if not _loads_or_packs(step)]
            middle = [dict(step) for step in kept]
            break
    return [load[0], *middle, dict(type="PhotometricShift"), *load[1:], pack]


def _loads_or_packs(step: Mapping[str, Any]) -> bool:
    return any(word in str(step["type"]) for word in ("Load", "Pack", "TestTimeAug"))
