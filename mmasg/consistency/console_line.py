"""The console line of a training: what a user looks for, beside what mmengine prints."""

from __future__ import annotations

import locale
import sys

from mmengine.registry import LOG_PROCESSORS
from mmengine.runner import LogProcessor, Runner

from .kl_watch_hook import RISING

# mmengine prints what begins with val among the metrics.
_VALIDATED_AT = "metric_of_iter"
#: Metrics in the order of preference: segmentation's, and PerClassAccuracy's mean of the classes.
_METRICS = ("mIoU", "mean", "mDice")


@LOG_PROCESSORS.register_module()
class ProgressLogProcessor(LogProcessor):
    """mmengine's log processor, whose training lines also say how good the model is so far.

    Behind the metric of the last validation stands its iteration; behind the distance from the
    ImageNet teacher an arrow where it has gone up over the last six windows of a fiftieth of the
    run (:class:`~mmasg.consistency.kl_watch.KLWatch`). Log files of scalars stay as they are.
    ``python -m mmasg train`` uses it in the place of mmengine's; elsewhere it is one line of the
    config. Arguments are those of mmengine's ``LogProcessor``.

    Example:
        >>> log_processor = dict(type='ProgressLogProcessor', by_epoch=False)
    """

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        """Return mmengine's scalars and line, with what is known of the run behind the line."""
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        if mode == "train":
            names = [n for n in tag if n.endswith("_imagenet") and not n.startswith("loss")]
            if names and runner.message_hub.runtime_info.get(RISING):
                line = line.replace(f"{names[0]}: ", f"{names[0]} {_arrow()} ")
            line += self._metric(runner)
        return tag, line

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict, str]:
        """Return what mmengine returns, and note when the validation was."""
        if mode == "val":
            # mmengine's own note of the iteration at work, counted from 0.
            done = runner.message_hub.runtime_info.get("iter", -1) + 1
            runner.message_hub.update_info(_VALIDATED_AT, done)
        return super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)

    def _metric(self, runner: Runner) -> str:
        hub = runner.message_hub
        known = {k[4:]: v for k, v in hub.log_scalars.items() if k.startswith("val/")}
        found = next((name for name in _METRICS if name in known), None)
        found = found or next((name for name in known if "mIoU" in name), None)
        if found is None:
            return ""
        at = hub.runtime_info.get(_VALIDATED_AT)
        return f"  {found} so far: {known[found].current():.2f} (at iteration {at})"


def _arrow() -> str:
    """An arrow up, in what console and log file can write."""
    arrow = "\u2191"
    for encoding in (getattr(sys.stdout, "encoding", None), locale.getpreferredencoding(False)):
        try:
            arrow.encode(encoding or "ascii")
        except (LookupError, UnicodeEncodeError):
            return "^"
    return arrow
