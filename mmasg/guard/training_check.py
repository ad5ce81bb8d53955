"""The hook that checks a training when it begins, and that a resumed one is the same training."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmasg.wrapped_model import unwrap

from .class_counts import check_class_counts
from .lone_samples import LoneSamples
from .one_pass import check_one_pass
from .own_rates import check_weights_are_swapped
from .schedules import check_schedules, optimizers_of
from .trained_with import compare, record


@HOOKS.register_module()
class TrainingCheckHook(Hook):
    """Stop a training that would be silently wrong.

    - Before the first iteration: the floors and lengths of the schedules against rates and run,
      outputs and class weights of the heads against the data set's classes, a schedule-free
      optimizer that nobody switches, an optimizer that needs two passes a step.
    - In batches of one sample: a BatchNorm that sees one value per channel.
    - On resume: the config against what the checkpoint was trained with (optimizer, layer groups,
      schedules, model, data, and hooks that have a method ``trained_with``). With
      ``rebuild_schedule = True`` in the config (``tools/train.py --resume --rebuild-schedule``)
      its schedules and base rates replace the checkpoint's, moved forward to its iteration.

    ``tools/train.py``, ``ImageNetConsistencyHook``, ``LayerLRPolicyHook`` and ``GroupPolicyHook``
    bring it by themselves.

    Raises:
        ValueError: Naming the config key, both values, and the remedy.

    Example:
        >>> custom_hooks = [dict(type='TrainingCheckHook')]
    """

    priority = "VERY_LOW"

    def __init__(self) -> None:
        self._lone = LoneSamples()
        self._batch_size: int | None = None

    @classmethod
    def join(cls, runner: Runner) -> None:
        """Register the hook with a runner that has none."""
        # Whoever drives hooks without a Runner checks by itself.
        if isinstance(runner, Runner) and not any(isinstance(h, cls) for h in runner.hooks):
            runner.register_hook(cls())

    def before_train(self, runner: Runner) -> None:
        """Check schedules and class counts."""
        if isinstance(runner, Runner) and isinstance(runner.optim_wrapper, OptimWrapper):
            for _, wrapper, _ in optimizers_of(runner):
                check_one_pass(wrapper.optimizer)
            check_schedules(runner)
            check_weights_are_swapped(runner)
        loader = getattr(runner.train_loop, "dataloader", None)
        self._batch_size = getattr(loader, "batch_size", None)
        dataset = getattr(loader, "dataset", None)
        check_class_counts(unwrap(runner.model), dataset, "train_dataloader.dataset")

    def before_test(self, runner: Runner) -> None:
        """Check class counts: what is beyond the data's classes would not be counted."""
        dataset = runner.test_dataloader.dataset
        check_class_counts(unwrap(runner.model), dataset, "test_dataloader.dataset")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Watch the BatchNorm layers where the batch holds one sample."""
        self._lone.watch(unwrap(runner.model), data_batch, self._batch_size)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Watch no longer."""
        self._lone.release()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put what the checkpoint was trained with into it."""
        if self._trains(runner):
            record(runner, checkpoint)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare it with the config of a run that resumes."""
        if self._trains(runner) and runner._resume:
            compare(runner, checkpoint)

    @staticmethod
    def _trains(runner: Runner) -> bool:
        """Whether it is mmengine's plain runner, with its optimizer built."""
        return isinstance(runner, Runner) and isinstance(runner.optim_wrapper, OptimWrapper)
