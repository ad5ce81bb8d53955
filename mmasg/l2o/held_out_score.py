"""How good a network is, in the middle of its training, on data that it does not train on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from torch import nn

from mmasg.errors import wrong
from mmasg.reproducible.kept_randomness import kept_randomness


class HeldOutScore:
    """Scores a network by one metric, in percent, on a few samples that are read once.

    The network, its modes and the process's random generators are left as they are, so that a
    training with scores is, bit for bit, the one without.

    Args:
        dataloader: Config of the samples' loader, with labels. A photometric shift in its pipeline
            (:class:`~mmasg.datasets.PhotometricShift`) makes it a stand-in for another camera.
        evaluator: Config of one metric or a list of them.
        metric: The number among those that the evaluator returns.
    """

    def __init__(self, dataloader: Mapping[str, Any], evaluator: Any, metric: str = "mIoU") -> None:
        with kept_randomness():
            loader = Runner.build_dataloader(copy.deepcopy(dict(dataloader)), seed=0)
            self._batches = list(loader)
        self._evaluator = Evaluator(copy.deepcopy(evaluator))
        self._evaluator.dataset_meta = getattr(loader.dataset, "metainfo", None)
        self._size = len(loader.dataset)  # type: ignore[arg-type]
        self.metric = metric

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> float:
        """Score a network.

        Raises:
            ValueError: The evaluator returns no such metric.
        """
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            for batch in self._batches:
                # Predictions are written into the samples.
                outputs = model.test_step(copy.deepcopy(batch))  # type: ignore[operator]
                self._evaluator.process(data_samples=outputs, data_batch=batch)
            found = self._evaluator.evaluate(self._size)
        finally:
            for module, training in modes.items():
                module.training = training
        if self.metric not in found:
            raise ValueError(wrong("score.metric", self.metric, ", ".join(map(str, found))))
        return float(found[self.metric])
