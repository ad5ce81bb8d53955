"""Compare the training step of a config with and without its hooks, in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from .hook_variants import without_hooks
from .step_timer import StepTimer, timed_runner
from .stepped_loop import SteppedEpochLoop, SteppedIterLoop


class Variant:
    """A training that stands ready to do steps.

    Args:
        config: The config.
        name: Name of the variant.
        without: Types of hooks it is without.
        clock: What tells the seconds. Defaults to ``time.perf_counter``.
    """

    def __init__(
        self,
        config: Config,
        name: str,
        without: list[str],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name, self._clock = name, clock
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
            start = self._clock()
            self.runner.train_loop.steps(1)
            self._synchronize()
            self.step_seconds.append(self._clock() - start)

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
        """Seconds of each part of a step, mean over some steps."""
        timer = StepTimer(self.device, self._clock)
        with timed_runner(self.runner, timer), timer.part("rest"):
            self.runner.train_loop.steps(steps, timer)
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
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict]:
    """Measure variants of a config, taking turns, so that a machine's moods meet all alike.

    Args:
        config: The config.
        variants: From :func:`hook_variants`.
        rounds: How many times each variant has its turn. Defaults to 10.
        steps: Steps in each turn. Defaults to 3.
        warm_up: Steps of each variant that do not count. Defaults to 3.
        clock: What tells the seconds: ``time.process_time`` counts what this process computes, on
            a CPU that others use too. Defaults to ``time.perf_counter``.

    Returns:
        For each variant: ``step`` (median, quartiles, minimum, seconds), ``images_per_second``,
        ``parts`` (seconds), ``peak_memory`` (bytes of a GPU, else None), ``steps`` (all
        times), and, but for ``full``, ``saved``: by how much of its own time ``full`` is slower
        than this one (median and quartiles over the rounds).
    """
    ready = [Variant(config, name, without, clock) for name, without in variants.items()]
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
