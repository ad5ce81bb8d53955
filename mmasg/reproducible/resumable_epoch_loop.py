"""Epoch-based training loop that resumes in the middle of an epoch."""

from __future__ import annotations

from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop


@LOOPS.register_module()
class ResumableEpochBasedTrainLoop(EpochBasedTrainLoop):
    """mmengine's ``EpochBasedTrainLoop``, which can go on inside an epoch.

    mmengine starts the epoch again when a checkpoint that was saved within it
    (``CheckpointHook(by_epoch=False)``) is resumed: some samples are seen twice, and the training
    ends with too many iterations. This loop skips what is done, without loading it, and counts
    ``batch_idx`` on from there. A checkpoint at an epoch's last iteration runs the end of that
    epoch (hooks and validation) after the resume, as it did not run before the interruption.

    It takes the arguments of ``EpochBasedTrainLoop`` and needs a sampler with ``skip_in_epoch``
    (:class:`~mmasg.reproducible.keyed_samplers.KeyedDefaultSampler`) for a resume within an epoch.

    Raises:
        ValueError: On a resume within an epoch, if the sampler has no ``skip_in_epoch``,
            or if the checkpoint's iterations do not fit the length of an epoch.

    Example:
        >>> train_cfg = dict(type='ResumableEpochBasedTrainLoop', max_epochs=30)
        >>> train_dataloader = dict(sampler=dict(type='KeyedDefaultSampler'), ...)
    """

    def run_epoch(self) -> None:
        """Iterate over what is left of the current epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        if done != 0:
            self._skip(done)
        # An epoch without batches left is not iterated: no worker has to be started for it.
        if done < len(self.dataloader):
            for idx, data_batch in enumerate(self.dataloader, start=done):
                self.run_iter(idx, data_batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _skip(self, done: int) -> None:
        """Tell the sampler how many samples of this epoch it need not give."""
        batch_sampler = self.dataloader.batch_sampler
        sampler: Any = getattr(batch_sampler, "sampler", None)
        batch_size = getattr(batch_sampler, "batch_size", None)
        if not 0 < done <= len(self.dataloader):
            raise ValueError(
                f"The checkpoint has done {self._epoch} whole epochs and {self._iter} iterations, "
                f"which does not fit epochs of {len(self.dataloader)} iterations: it was written "
                "with another dataset, batch size or number of processes. Resume with those, or "
                "start from its weights by `load_from` with resume=False."
            )
        if done == len(self.dataloader):
            return
        if not hasattr(sampler, "skip_in_epoch") or batch_size is None:
            raise ValueError(
                f"The checkpoint was saved {done} iterations into epoch {self._epoch + 1}, and "
                f"the sampler {type(sampler).__name__} cannot skip them. Set "
                "train_dataloader.sampler=dict(type='KeyedDefaultSampler'), or resume from a "
                "checkpoint saved at the end of an epoch."
            )
        sampler.skip_in_epoch(done * batch_size)
