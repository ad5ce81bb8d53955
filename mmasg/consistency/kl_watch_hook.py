"""Tell a user while it trains that the distance from ImageNet goes where it should not."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmasg.errors import wrong
from mmasg.visualization.scalar_log import read_records

from .kl_watch import LEAST_NATS, KLWatch

_KEY = "ImageNetConsistencyHook"
#: Key of the message hub under which the console line finds whether the distance goes up.
RISING = "imagenet_distance_rises"
_TRY = (
    "Try steps of a fixed size, custom_hooks=[..., dict(type='RelativeStepHook')] without lr_mult; "
    "a smaller rate for the backbone, paramwise_cfg.lr_mult; or a smaller loss_weight"
)
_STATE = "imagenet_distance_watch"


@HOOKS.register_module()
class KLWatchHook(Hook):
    """Warn, once for each cause, where the distance from ImageNet goes where it should not.

    ``ImageNetConsistencyHook`` brings it. It warns of a distance that still rises late in the run
    (:meth:`~mmasg.consistency.kl_watch.KLWatch.rise`), of a KL that stays above that of a constant
    prediction (:meth:`~mmasg.consistency.kl_watch.KLWatch.too_high`), and, given one, of a distance
    above a baseline's (:meth:`~mmasg.consistency.kl_watch.KLWatch.above_baseline`). With
    ``loss_weight=0`` nothing is warned of. What was seen travels with the checkpoint. Rank 0
    judges, by its own batches.

    Args:
        baseline (str, optional): Work dir of a run of the same data and length that measured its
            distance without the loss, ``ImageNetConsistencyHook(loss_weight=0)``. Defaults to None.

    Raises:
        FileNotFoundError: The baseline's folder holds no log.
        ValueError: Its log has no such distance.

    Example:
        >>> custom_hooks = [
        ...     dict(type='ImageNetConsistencyHook'),
        ...     dict(type='KLWatchHook', baseline='work_dirs/my_baseline')]
    """

    # Before the logger (BELOW_NORMAL), which writes what is found here, and the schedulers (LOW).
    priority = "NORMAL"

    def __init__(self, baseline: str | None = None) -> None:
        self.baseline = baseline
        #: The loss that is watched, and its weight.
        self.loss: Any = None
        self.weight = 0.0
        self.watch: KLWatch | None = None
        self.warned: list[str] = []
        self._guide: Any = None
        self._of_baseline: list[tuple[int, float]] = []
        self._loaded: dict[str, Any] | None = None
        self._handle: Any = None

    @classmethod
    def join(cls, runner: Runner, guide: Any) -> None:
        """Register the hook with a runner that has none, and have it watch a consistency hook."""
        if not isinstance(runner, Runner):
            return
        found = next((h for h in runner.hooks if isinstance(h, cls)), None)
        if found is None:
            found = cls()
            runner.register_hook(found)
        found.follow(guide)

    def follow(self, guide: Any) -> None:
        """Watch the first loss of an ``ImageNetConsistencyHook`` that begins at 0."""
        self._guide = guide
        for loss, weight in zip(guide.losses, guide.weights, strict=True):
            # A distance that does not (a contrastive loss) has no such course.
            if getattr(loss, "zero_at_start", True):
                self.loss, self.weight = loss, weight
                return

    def before_train(self, runner: Runner) -> None:
        """Begin, or go on where the checkpoint was."""
        predicts = self.loss is not None and self.loss.needs == "predictions"
        self.watch = KLWatch(runner.max_iters, LEAST_NATS if predicts else 0.0)
        self.warned = []
        if runner.iter > 0 and self._loaded is not None:
            self.watch.load_state_dict(self._loaded["watch"])
            self.warned = list(self._loaded["warned"])
        self._loaded = None
        self._of_baseline = self._read_baseline()
        teacher = self._guide.teacher if self._guide is not None else None
        if teacher is not None and predicts:
            self._handle = teacher.register_forward_hook(self._see_teacher)

    def _read_baseline(self) -> list[tuple[int, float]]:
        if self.baseline is None:
            return []
        name = str(getattr(self.loss, "log_name", None))
        found = read_records(self.baseline, lambda record: name in record)
        if not found:
            allowed = f"the work dir of a run that logged {name}"
            remedy = "Train the baseline with dict(type='ImageNetConsistencyHook', loss_weight=0)."
            raise ValueError(wrong("KLWatchHook.baseline", self.baseline, allowed, remedy))
        return [(record["step"], record[name]) for record in found]

    def _see_teacher(self, teacher: Any, images: Any, prediction: Any) -> None:
        if self.watch is not None and prediction.logits is not None:
            self.watch.see_teacher(prediction.logits)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Add the iteration, and judge where a window is full."""
        name = str(getattr(self.loss, "log_name", None))
        if self.watch is None or not outputs or name not in outputs:
            return
        rate = sum(rate for rates in runner.optim_wrapper.get_lr().values() for rate in rates)
        weighted, whole = outputs.get("loss_imagenet", 0.0), outputs.get("loss", 0.0)
        if not self.watch.add(outputs[name], weighted, whole, rate):
            return
        runner.message_hub.update_info(RISING, self.watch.goes_up())
        if self.weight > 0:
            self._judge(runner, name)

    def _judge(self, runner: Runner, name: str) -> None:
        assert self.watch is not None
        at = f"iteration {runner.iter + 1}"
        if "rises" not in self.warned and (found := self.watch.rise()):
            self.warned.append("rises")
            runner.logger.warning(
                f"{_KEY}: at {at} {name} still rises ({found[0]:.3g} in the middle of the run so "
                f"far, {found[1]:.3g} at its end), although its weight is on "
                f"(loss_weight={self.weight:g}). {self._cause()}. {_TRY}"
            )
        done = runner.iter + 1
        if "baseline" not in self.warned and (
            found := self.watch.above_baseline(self._of_baseline, done)
        ):
            self.warned.append("baseline")
            runner.logger.warning(
                f"{_KEY}: at {at} {name} is at {found[1]:.3g}, and was at {found[0]:.3g} in the "
                f"baseline {self.baseline!r}: the loss raises what it is to lower. "
                f"{self._cause()}. {_TRY}"
            )
        if "too high" not in self.warned and (found := self.watch.too_high()):
            self.warned.append("too high")
            runner.logger.warning(
                f"{_KEY}: at {at} {name} stays at {found[1]:.3g}, above {found[0]:.3g}, which the "
                "same prediction for every image would have: nothing is left of what the teacher "
                f"tells the images apart by, as without the loss or worse. {self._cause()}. {_TRY}"
            )

    def _cause(self) -> str:
        assert self.watch is not None
        share = f"{100 * self.watch.share:.0f}% of the objective"
        if self.watch.share > 0.5:
            return (
                f"The weighted loss is {share}, so its weight is probably so large that a step "
                "overshoots; or the backbone's rate is too high"
            )
        return (
            f"The weighted loss is {share}, so the backbone's rate is probably too high (a larger "
            "weight would make it worse)"
        )

    def after_train(self, runner: Runner) -> None:
        """Watch no longer."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put what was seen into the checkpoint."""
        if self.watch is not None:
            checkpoint[_STATE] = dict(watch=self.watch.state_dict(), warned=list(self.warned))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep it; :meth:`before_train` knows whether the run goes on."""
        self._loaded = checkpoint.get(_STATE)
