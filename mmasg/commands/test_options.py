"""What the switches of tools/test.py change in a config."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from mmengine.config import Config
from mmengine.registry import METRICS, init_default_scope

from mmasg.datasets.dataset_configs import innermost
from mmasg.errors import did_you_mean, wrong

#: Keywords by which metrics take the folder of the predictions.
_FOLDERS = ("output_dir", "out_dir")
#: Steps of a test pipeline that a pipeline for test-time augmentation brings itself.
_OWN_STEPS = ("LoadImageFromFile", "LoadAnnotations")


def choose_dataloader(cfg: Config, name: str) -> None:
    """Test on another dataloader of the config, by the same metrics.

    Raises:
        ValueError: The config has no such dataloader.
    """
    have = [key for key in cfg if key.endswith("_dataloader") and cfg[key] is not None]
    if name not in have:
        hint = did_you_mean(name, have).strip()
        raise ValueError(wrong("--dataloader", name, f"one of the config's {have}", hint))
    cfg.test_dataloader = cfg[name]


def draw_predictions(cfg: Config, show: bool, wait_time: float, folder: str | None) -> None:
    """Turn on the visualisation hook, to show pictures or to write them.

    Raises:
        ValueError: The config has no such hook.
    """
    hook = cfg.default_hooks.get("visualization")
    if hook is None:
        raise ValueError(
            "--show and --show-dir need a visualisation hook in the config, and default_hooks has "
            "none: add default_hooks=dict(visualization=dict(type='SegVisualizationHook'))"
        )
    hook.update(draw=True, interval=1)
    if show:
        hook.update(show=True, wait_time=wait_time)
    if folder:
        cfg.visualizer.save_dir = folder


def augment(cfg: Config) -> None:
    """Wrap the model for test-time augmentation.

    Each data set gets the config's ``tta_pipeline`` in place of its own. Of targets joined in one
    test run, one may have steps that the others have not (Mapillary's images are made smaller):
    these stay, in front of the augmentation.

    Raises:
        ValueError: The config has no ``tta_model`` or no ``tta_pipeline``, or the latter does not
            begin with loading the image.
    """
    missing = [key for key in ("tta_model", "tta_pipeline") if cfg.get(key) is None]
    if missing:
        raise ValueError(
            f"--tta: the config has no {' and no '.join(missing)}. Leave --tta out, or take them "
            "over from configs/_base_"
        )
    targets = [d for d in innermost(cfg.test_dataloader.dataset) if "pipeline" in d]
    before = [_steps_before_packing(target.pipeline) for target in targets]
    for target, steps in zip(targets, before, strict=True):
        special = [step for step in steps if not all(step in other for other in before)]
        target.pipeline = copy.deepcopy(cfg.tta_pipeline)
        if not special:
            continue
        if target.pipeline[0]["type"] != "LoadImageFromFile":
            raise ValueError(
                wrong(
                    "tta_pipeline[0].type",
                    target.pipeline[0]["type"],
                    f"'LoadImageFromFile', where the test data sets have different steps ({steps})",
                )
            )
        target.pipeline[1:1] = copy.deepcopy(special)
    cfg.model = {**cfg.tta_model, "module": cfg.model}


def _steps_before_packing(pipeline: list) -> list[Any]:
    return [s for s in pipeline if s["type"] not in _OWN_STEPS and not s["type"].startswith("Pack")]


def write_predictions(cfg: Config, folder: str) -> None:
    """Have the metrics write what they compare: label maps, or a table of classes.

    Raises:
        ValueError: None of the metrics writes predictions.
    """
    init_default_scope(cfg.get("default_scope", "mmseg"))
    evaluators = cfg.test_evaluator
    evaluators = evaluators if isinstance(evaluators, list) else [evaluators]
    writers = 0
    for evaluator in evaluators:
        # Where a base takes further keywords, its own count as well.
        classes = getattr(METRICS.get(evaluator.type), "__mro__", ())
        taken = {n for c in classes if c is not object for n in inspect.signature(c).parameters}
        for key in _FOLDERS:
            if key in taken:
                evaluator[key] = folder
                writers += 1
    if not writers:
        raise ValueError(
            wrong(
                "--out",
                folder,
                f"a folder, where a metric takes {' or '.join(_FOLDERS)}; test_evaluator has "
                f"{[evaluator.type for evaluator in evaluators]}",
                "Leave --out out, or use tools/predict.py.",
            )
        )


def add_cityscapes(cfg: Config, folder: str) -> None:
    """Evaluate by cityscapesscripts as well."""
    first = cfg.test_evaluator
    cfg.test_evaluator = [
        *(first if isinstance(first, list) else [first]),
        dict(type="CityscapesScriptsMetric", output_dir=folder),
    ]
