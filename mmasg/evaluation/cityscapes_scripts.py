"""The 19 IoUs as cityscapesscripts computes them, the benchmark's own evaluation."""

from __future__ import annotations

import contextlib
import copy
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import METRICS
from mmseg.evaluation import CityscapesMetric
from prettytable import PrettyTable

from mmasg.datasets.class_maps import CLASSES
from mmasg.optional import optional_import


@METRICS.register_module()
class CityscapesScriptsMetric(CityscapesMetric):
    """IoU of the 19 classes and its mean by cityscapesscripts, in percent.

    MMSegmentation's ``CityscapesMetric`` reports the means over categories only; this one gives
    what the benchmark's tables show. Predictions are compared with ``*_gtFine_labelIds.png``,
    which have to lie beside the ``*_gtFine_labelTrainIds.png`` of the dataset.

    Args:
        output_dir (str): Folder for the predictions as PNG files with label ids.
        keep_results (bool): Keep them. Defaults to False.
        **kwargs: As MMSegmentation's ``CityscapesMetric``.

    Raises:
        ImportError: cityscapesscripts is not installed; the message has the line that does it.
        FileNotFoundError: A label file in label ids is missing.
        ValueError: cityscapesscripts cannot compare a prediction with its labels.
    """

    default_prefix = "cityscapes"

    def __init__(self, output_dir: str, prefix: str | None = None, **kwargs: Any) -> None:
        _official()  # known to be there before an hour of testing
        # CityscapesMetric puts the argument in place of the default prefix, also when it is None.
        super().__init__(output_dir, prefix=prefix or self.default_prefix, **kwargs)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate the collected (prediction, ground truth) files."""
        if self.format_only:
            return super().compute_metrics(results)
        predictions, truths = map(list, zip(*results, strict=True))
        missing = [path for path in truths if not os.path.isfile(path)]
        if missing:
            raise FileNotFoundError(
                f"CityscapesScriptsMetric: no {missing[0]!r} ({len(missing)} of {len(truths)} "
                "missing). cityscapesscripts compares label ids: put the original "
                "*_gtFine_labelIds.png beside the *_gtFine_labelTrainIds.png"
            )
        scores = _class_scores(predictions, truths)
        ious = {name: 100.0 * scores[name] for name in CLASSES}
        table = PrettyTable(["Class", "IoU (cityscapesscripts)"])
        table.add_rows([[name, f"{iou:.2f}"] for name, iou in ious.items()])
        print_log(f"\n{table.get_string()}", logger="current")
        metrics = {"mIoU": round(float(np.nanmean(list(ious.values()))), 2)}
        for name, iou in ious.items():
            metrics[f"IoU/{name.replace(' ', '_')}"] = round(float(iou), 2)
        return metrics


def _official() -> Any:
    """Import the evaluation of cityscapesscripts."""
    return optional_import(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
        "CityscapesScriptsMetric (tools/test.py --cityscapes)",
        "cityscapesscripts>=2.2",
    )


def _class_scores(predictions: Sequence[str], truths: Sequence[str]) -> dict[str, float]:
    """IoU of every class, 0 to 1, by name; NaN for a class that does not occur."""
    official = _official()
    # A copy: the module's own settings stay as they are for others in this process.
    args = copy.copy(official.args)
    # The score by instances needs numpy.in1d, which numpy 2.4 no longer has.
    args.evalInstLevelScore = False
    args.evalPixelAccuracy = False
    args.JSONOutput = False
    args.quiet = True
    said = io.StringIO()
    try:
        # cityscapesscripts prints what is wrong and leaves the process.
        with contextlib.redirect_stdout(said):
            return official.evaluateImgLists(predictions, truths, args)["classScores"]
    except SystemExit as error:
        reason = said.getvalue().strip().splitlines()[-1:] or ["it does not say why"]
        raise ValueError(
            "CityscapesScriptsMetric: cityscapesscripts cannot compare the predictions with the "
            f"*_gtFine_labelIds.png ({reason[0]}). Put the original files there, each of the size "
            "of its image"
        ) from error
