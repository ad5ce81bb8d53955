"""The 19 IoUs as cityscapesscripts computes them, the benchmark's own evaluation."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Any

import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as official
import numpy as np
from cityscapesscripts.helpers.labels import trainId2label
from mmengine.logging import MMLogger, print_log
from mmengine.registry import METRICS
from mmseg.evaluation import CityscapesMetric
from prettytable import PrettyTable


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
        FileNotFoundError: A label file in label ids is missing.
    """

    default_prefix = "cityscapes"

    def __init__(self, output_dir: str, prefix: str | None = None, **kwargs: Any) -> None:
        # CityscapesMetric puts the argument in place of the default prefix, also when it is None.
        super().__init__(output_dir, prefix=prefix or self.default_prefix, **kwargs)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate the collected (prediction, ground truth) files."""
        logger: MMLogger = MMLogger.get_current_instance()
        predictions, truths = map(list, zip(*results, strict=True))
        missing = [path for path in truths if not os.path.isfile(path)]
        if missing:
            raise FileNotFoundError(
                f"CityscapesScriptsMetric: no {missing[0]!r} ({len(missing)} of {len(truths)} "
                "missing). cityscapesscripts compares label ids: put the original "
                "*_gtFine_labelIds.png beside the *_gtFine_labelTrainIds.png"
            )
        args = official.args
        # The score by instances needs numpy.in1d, which numpy 2.4 no longer has.
        args.evalInstLevelScore = False
        args.evalPixelAccuracy = False
        args.JSONOutput = False
        args.quiet = True
        args.predictionPath = os.path.abspath(self.output_dir)
        scores = official.evaluateImgLists(predictions, truths, args)["classScores"]
        names = [trainId2label[i].name for i in range(19)]
        ious = [100.0 * scores[name] for name in names]
        table = PrettyTable(["Class", "IoU (cityscapesscripts)"])
        for name, iou in zip(names, ious, strict=True):
            table.add_row([name, f"{iou:.2f}"])
        print_log("\n" + table.get_string(), logger=logger)
        metrics = OrderedDict(mIoU=round(float(np.nanmean(ious)), 2))
        for name, iou in zip(names, ious, strict=True):
            metrics[f"IoU/{name.replace(' ', '_')}"] = round(float(iou), 2)
        return metrics
