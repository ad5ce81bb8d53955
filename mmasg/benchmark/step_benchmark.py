"""Compare the training step of a config with and without its hooks, in one process."""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from torch.utils.data import Dataset

from .step_timer import StepTimer, time_runner
from .stepped_loop import SteppedEpochLoop, SteppedIterLoop

# Hooks without which it would be another network that is measured.
_PART_OF_THE_MODEL = ("EvalModeHook", "ChannelsLastHook", "EMAHook")


def hook_variants(config: Config) -> dict[str, list[str]]:
    """Say which variants of a config are worth measuring.

    Args:
        config: The config.

    Returns:
        For each variant's name the types of the custom hooks it is without: ``full``,
        ``without HOOK`` for each hook, and ``without all`` where there are several.
    """
    types = [_type(hook) for hook in config.get("custom_hooks") or []]
    hooks = [t for t in types if t not in _PART_OF_THE_MODEL]
    variants: dict[str, list[str]] = {"full": []}
    variants.update({f"without {hook}": [hook] for hook in hooks})
    if len(hooks) > 1:
        variants["without all"] = hooks
    return variants


def without_hooks(config: Config, types: list[str]) -> Config:
    """Take custom hooks out of a config, and keep the modes of the layers as they are.

    A consistency hook also sets layers to eval mode; in its place stands an ``EvalModeHook``.

    Args:
        config: The config; it is left alone.
        types: Types of the hooks to take out.

    Returns:
        The changed copy.
    """
    config = copy.deepcopy(config)
    hooks = []
    for hook in config.get("custom_hooks") or []:
        if _type(hook) not in types:
            hooks.append(hook)
        elif _type(hook) == "ImageNetConsistencyHook":
            mode = hook.get("eval_mode", "pretrained")
            student = hook.get("student_module", "backbone")
            hooks.append(ConfigDict(type="EvalModeHook", mode=mode, student_module=student))
    config.custom_hooks = hooks
    return config


def _type(hook: Any) -> str:
    return str(hook["type"]).rsplit(".", 1)[-1]


@DATASETS.register_module()
class RandomImages(Dataset):
    """Noise in the shape of a training set, for a benchmark where there are no data.

    Args:
        size: Height and width.
        task: ``'segmentation'`` or ``'classification'``.
        num_classes: Labels are drawn from 0 .. num_classes - 1.
        length: Number of images. Defaults to 64.
    """

    def __init__(self, size: tuple[int, int], task: str, num_classes: int, length: int = 64):
        self.size, self.task = tuple(size), task
        self.num_classes, self.length = num_classes, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        random = np.random.default_rng(index)
        image = torch.from_numpy(random.integers(0, 256, (3, *self.size), dtype=np.uint8))
        meta = dict(img_shape=self.size, ori_shape=self.size, pad_shape=self.size, img_path="")
        if self.task == "classification":
            from mmasg.datasets.classification_sample import ClassificationSample

            sample: Any = ClassificationSample(metainfo=meta)
            sample.set_gt_label(int(random.integers(self.num_classes)))
        else:
            from mmseg.structures import SegDataSample

            sample = SegDataSample(metainfo=meta)
            label = random.integers(0, self.num_classes, (1, *self.size))
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(label))
        return dict(inputs=image, data_samples=sample)


def _pipeline(config: Config) -> list[dict]:
    dataset = config.train_dataloader.dataset
    while "dataset" in dataset:
        dataset = dataset.dataset
    return dataset.get("pipeline") or []


def image_size(config: Config) -> tuple[int, int]:
    """Height and width of what the training pipeline crops to.

    Raises:
        ValueError: It crops to none.
    """
    sizes = [step["crop_size"] for step in _pipeline(config) if "crop_size" in step]
    if not sizes:
        raise ValueError(
            "The training pipeline crops to no fixed size: give one, --size HEIGHT WIDTH."
        )
    last = sizes[-1]
    return (last[0], last[1]) if isinstance(last, (tuple, list)) else (last, last)


def use_random_images(config: Config, size: tuple[int, int] | None) -> None:
    """Put noise in the place of a config's training images.

    Args:
        config: The config; changed.
        size: Height and width; ``None`` takes the crop size of the training pipeline.

    Raises:
        ValueError: If no size is given and the pipeline crops to none.
    """
    classifies = "PackClassification" in map(_type, _pipeline(config))
    task = "classification" if classifies else "segmentation"
    if size is None:
        size = image_size(config)
    head = config.model.get("decode_head") or config.model.get("head")
    head = head[-1] if isinstance(head, (list, tuple)) else head
    config.train_dataloader.dataset = ConfigDict(
        type="RandomImages", size=size, task=task, num_classes=head["num_classes"]
    )
    config.train_dataloader.sampler = ConfigDict(type="InfiniteSampler")


class Variant:
    """A training that stands ready to do steps.

    Args:
        config: The config.
        name: Name of the variant.
        without: Types of hooks it is without.
    """

    def __init__(self, config: Config, name: str, without: list[str]) -> None:
        self.name = name
        config = without_hooks(config, without)
        by_epoch = config.train_cfg.get("by_epoch", "Epoch" in config.train_cfg.get("type", ""))
        keep = ("max_epochs",) if by_epoch else ("max_iters",)
        config.train_cfg = ConfigDict(
            type=SteppedEpochLoop if by_epoch else SteppedIterLoop,
            **{key: config.train_cfg[key] for key in keep},
        )
        for kind in ("val", "test"):
            for part in ("cfg", "dataloader", "evaluator"):
                config[f"{kind}_{part}"] = None
        hooks = dict(config.get("default_hooks") or {}, logger=None, checkpoint=None)
        hooks.pop("visualization", None)
        config.default_hooks = hooks
        config.visualizer = dict(type="Visualizer", vis_backends=[])
        self._folder = tempfile.TemporaryDirectory()
        config.work_dir = self._folder.name
        config.experiment_name = f"benchmark {name} {time.time_ns()}"
        config.log_level = "ERROR"
        config.load_from, config.resume, config.launcher = None, False, "none"
        self.device_before = _allocated()
        self.runner = Runner.from_cfg(config)
        self.runner.train()
        self.device = next(self.runner.model.parameters()).device
        self.batch_size = self.runner.train_dataloader.batch_size
        self.step_seconds: list[float] = []
        self.device_own = 0

    def warm_up(self, steps: int) -> None:
        """Do steps that do not count, until buffers and caches are there."""
        self.runner.train_loop.steps(steps)
        self._synchronize()
        self.device_own = _allocated() - self.device_before

    def measure(self, steps: int) -> None:
        """Time steps, each for itself."""
        for _ in range(steps):
            self._synchronize()
            start = time.perf_counter()
            self.runner.train_loop.steps(1)
            self._synchronize()
            self.step_seconds.append(time.perf_counter() - start)

    def peak_memory(self) -> int | None:
        """Peak of the device memory that this variant alone needs in a step, in bytes."""
        if self.device.type != "cuda":
            return None
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.runner.train_loop.steps(1)
        self._synchronize()
        return self.device_own + torch.cuda.max_memory_allocated() - before

    def parts(self, steps: int) -> dict[str, float]:
        """Seconds of each part of a step, mean over some steps. The variant is spent then."""
        timer = StepTimer(self.device)
        time_runner(self.runner, timer)
        loop = self.runner.train_loop
        with timer.part("rest"):
            loop.steps(steps, timer)
        return {name: seconds / steps for name, seconds in timer.seconds.items()}

    def end(self) -> None:
        """End the training and its data workers."""
        self.runner.train_loop.end()
        self._folder.cleanup()

    def _synchronize(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()


def _allocated() -> int:
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def run_benchmark(
    config: Config,
    variants: dict[str, list[str]],
    rounds: int = 10,
    steps: int = 3,
    warm_up: int = 3,
) -> dict[str, dict]:
    """Measure variants of a config, taking turns, so that a machine's moods meet all alike.

    Args:
        config: The config.
        variants: From :func:`hook_variants`.
        rounds: How many times each variant has its turn. Defaults to 10.
        steps: Steps in each turn. Defaults to 3.
        warm_up: Steps of each variant that do not count. Defaults to 3.

    Returns:
        For each variant: ``step`` (median, quartiles, minimum, seconds), ``images_per_second``,
        ``parts`` (seconds), ``peak_memory`` (bytes of a GPU, else None), ``steps`` (all
        times), and, but for ``full``, ``saved``: by how much of its own time ``full`` is slower
        than this one (median and quartiles over the rounds).
    """
    ready = [Variant(config, name, without) for name, without in variants.items()]
    for variant in ready:
        variant.warm_up(warm_up)
    for turn in range(rounds):
        for variant in ready[turn % len(ready) :] + ready[: turn % len(ready)]:
            variant.measure(steps)
    result = {}
    for variant in ready:
        summary = summarize(variant.step_seconds)
        result[variant.name] = dict(
            step=summary,
            images_per_second=variant.batch_size / summary["median"],
            peak_memory=variant.peak_memory(),
            parts=variant.parts(max(3, steps)),
            steps=variant.step_seconds,
        )
        if variant.name != "full" and ready[0].name == "full":
            pairs = zip(
                _by_round(ready[0].step_seconds, steps),
                _by_round(variant.step_seconds, steps),
                strict=True,
            )
            result[variant.name]["saved"] = summarize([full / own - 1 for full, own in pairs])
    for variant in ready:
        variant.end()
    return result


def _by_round(seconds: list[float], steps: int) -> list[float]:
    return [statistics.median(seconds[i : i + steps]) for i in range(0, len(seconds), steps)]


def summarize(values: list[float]) -> dict[str, float]:
    """Median, quartiles and minimum.

    Args:
        values: At least one number.
    """
    low, middle, high = np.percentile(values, [25, 50, 75])
    return dict(median=float(middle), q25=float(low), q75=float(high), min=float(min(values)))
