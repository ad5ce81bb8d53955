"""A batch of one sample in front of a BatchNorm that would have one value per channel."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmasg.errors import wrong


class LoneSamples:
    """Watches the BatchNorm layers of a model during the iterations with one sample.

    A BatchNorm in train mode needs two values per channel. After global pooling a sample has one,
    so batches of one sample fail there, also where only the last batch of an epoch is so small.
    """

    def __init__(self) -> None:
        self._handles: list[Any] = []

    def watch(self, model: nn.Module, data_batch: Any, batch_size: int | None) -> None:
        """Watch this iteration if its batch holds one sample.

        Args:
            model: The model, unwrapped.
            data_batch: The batch, as the data loader gives it.
            batch_size: The loader's batch size.
        """
        inputs = data_batch.get("inputs") if isinstance(data_batch, dict) else None
        if inputs is None or not hasattr(inputs, "__len__") or len(inputs) != 1:
            return
        for name, module in model.named_modules():
            # SyncBatchNorm counts the values of all processes.
            if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
                hook = _check(name, batch_size)
                self._handles.append(module.register_forward_pre_hook(hook))

    def release(self) -> None:
        """Watch no longer."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def _check(name: str, batch_size: int | None) -> Any:
    def check(module: nn.Module, args: tuple) -> None:
        values = args[0] if args else None
        if not module.training or not isinstance(values, Tensor):
            return
        if values.numel() == values.shape[1]:
            if batch_size == 1:
                key, got, remedy = "train_dataloader.batch_size", 1, "Set batch_size=2 or more."
            else:
                key, got = "train_dataloader.drop_last", False
                remedy = "The last batch of the epoch holds one sample: set drop_last=True."
            raise ValueError(
                wrong(
                    key,
                    got,
                    f"batches of two samples and more, as the BatchNorm '{name}' of the model "
                    "sees one value per channel of a single sample",
                    remedy,
                )
            )

    return check
