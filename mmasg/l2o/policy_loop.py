"""What the loops that train a policy have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader, Dataset

from mmasg.checkpoint import PlainCheckpointHook
from mmasg.errors import wrong


class PolicyLoop(IterBasedTrainLoop):
    """An iteration is an update of the runner's model, the policy, from what it has gone through.

    The runner asks for a ``train_dataloader``; it is not used, ``dict()`` will do.

    Args:
        runner: The runner.
        max_iters: Number of updates.
    """

    def __init__(self, runner: Runner, max_iters: int) -> None:
        if not isinstance(max_iters, int) or isinstance(max_iters, bool) or max_iters < 1:
            raise ValueError(wrong("train_cfg.max_iters", max_iters, "an integer >= 1"))
        super().__init__(runner, DataLoader(_Updates(max_iters)), max_iters)
        # A policy's checkpoints are policy files: read without running code.
        runner.register_hook(PlainCheckpointHook())

    @abstractmethod
    def collect(self) -> tuple[dict[str, Any], dict[str, float]]:
        """Act: what the policy's training step takes, and values for the log."""

    @abstractmethod
    def close(self) -> None:
        """Let the environments' processes go."""

    def run(self) -> torch.nn.Module:
        """Train the policy."""
        try:
            return super().run()
        finally:
            self.close()

    def run_iter(self, data_batch: Any) -> None:
        """Act, and update the policy."""
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=None)
        batch, measured = self.collect()
        outputs = self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper)
        outputs.update(measured)
        self.runner.call_hook(
            "after_train_iter", batch_idx=self._iter, data_batch=None, outputs=outputs
        )
        self._iter += 1

    def log_values(self, prefix: str, values: dict[str, float]) -> None:
        """Write values to the log files, not the console."""
        self.runner.visualizer.add_scalars(
            {f"{prefix}/{key}": value for key, value in values.items()},
            step=self._iter + 1,
            file_path=f"{self.runner.timestamp}.json",
        )


class _Updates(Dataset):
    """Stands for the data: the loop's base counts in it, and hooks ask for its length."""

    metainfo: ClassVar[dict[str, Any]] = {}

    def __init__(self, number: int) -> None:
        self._number = number

    def __len__(self) -> int:
        return self._number

    def __getitem__(self, index: int) -> int:
        return index
