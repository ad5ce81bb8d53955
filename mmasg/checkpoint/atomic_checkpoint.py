"""Checkpoints from which a killed training can always go on."""

from __future__ import annotations

import contextlib
import os.path as osp
import re
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from mmasg.wrapped_model import unwrap

from .atomic_files import (
    ATOMIC_BACKEND,
    AtomicLocalBackend,
    is_whole_checkpoint,
    remove_leftovers,
    write_atomically,
)
from .whole_state import (
    GRADIENTS,
    gather,
    half_summed_gradients,
    is_sharded,
    restore_gradients,
    shard_checkpoint,
)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` whose files are whole at every instant.

    mmengine deletes the oldest checkpoint, then writes the new one and ``last_checkpoint`` in
    place: a kill or a full disk in between leaves a truncated file, with ``max_keep_ckpts=1`` and
    nothing else. Here a checkpoint is written to a temporary name, flushed to the disk and renamed;
    then ``last_checkpoint`` is replaced in the same way; then outdated checkpoints are deleted (the
    disk needs room for one checkpoint more). The same holds for the best ones.

    A training cleans up what a killed one has left, and nothing that a living process, of whatever
    machine, is writing; a test cleans up nothing. Before a training that resumes by itself
    (``resume=True`` without ``load_from``), ``last_checkpoint`` is set to the newest whole
    checkpoint where it names none.

    A checkpoint between two steps of an optimizer with ``accumulative_counts`` holds the gradients
    summed so far, and a resumed run goes on with them. Of a model that torch's ``fully_shard`` has
    spread over processes it holds the whole tensors, as a run on one process would write them;
    they are spread again on resume.

    It takes the arguments of ``CheckpointHook``. Where ``backend_args`` or ``file_client_args`` are
    given, or ``out_dir`` is a URL, the storage they name is used as it is: only the order (write,
    then delete) is ours there.

    Raises:
        OSError: When a checkpoint cannot be written; earlier ones are whole.
        ValueError: When the checkpoint to resume is of another model, or another hook saves
            one of a sharded model.

    Example:
        >>> default_hooks = dict(checkpoint=dict(
        ...     type='AtomicCheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathered: dict[str, Any] = {}
        local = self.out_dir is None or "://" not in str(self.out_dir)
        given = getattr(self, "backend_args", None) or self.file_client_args
        if local and given is None:
            self.backend_args: dict | None = dict(backend=ATOMIC_BACKEND)

    def before_run(self, runner: Any) -> None:
        """See to it that ``last_checkpoint`` can be resumed."""
        training = isinstance(getattr(runner, "_train_loop", None), BaseLoop)
        if training and is_main_process() and self._is_atomic():
            if getattr(runner, "_resume", False) and getattr(runner, "_load_from", None) is None:
                self._repair_last_checkpoint(runner, self._folder(runner))
        barrier()

    def before_train(self, runner: Any) -> None:
        """Find the storage, and finish what a killed run has left: its files, its deletions."""
        super().before_train(runner)
        if self._is_atomic():
            self._keep_to(Path(self.out_dir), runner)
        if not is_main_process():
            return
        if self._is_atomic():
            for path in {*remove_leftovers(self.out_dir), *remove_leftovers(runner.work_dir)}:
                runner.logger.info(f"Removed {path}, left by a run that was killed.")
        outdated = runner.message_hub.runtime_info.get("outdated_ckpt_ids", [])
        for step in outdated if runner.iter > 0 else []:
            self._remove_step(step)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Refuse to go on from the checkpoint of another model; take up what only we save."""
        # Strategies of a FlexibleRunner load shards, which are compared elsewhere.
        if not isinstance(runner, Runner):
            return
        model = unwrap(runner.model)
        if runner._resume:
            check_same_run(runner, checkpoint)
            restore_gradients(model, checkpoint.get(GRADIENTS, {}))
        if is_sharded(model) and "state_dict" in checkpoint:
            optimizer = getattr(runner.optim_wrapper, "optimizer", None)
            groups = optimizer.param_groups if runner._resume and optimizer is not None else None
            shard_checkpoint(checkpoint, model, groups)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Put in what the processes have gathered."""
        checkpoint.update({key: value for key, value in self._gathered.items() if value})
        self._gathered = {}
        if is_sharded(checkpoint.get("state_dict")):
            raise ValueError(
                "This checkpoint would hold what process 0 has of a sharded model: only those "
                "that AtomicCheckpointHook saves by itself hold the whole. Leave out other hooks "
                "that save checkpoints."
            )

    def _gather(self, runner: Any) -> None:
        """Gather from every process what the one that writes does not know."""
        self._gathered = {}
        if not isinstance(runner, Runner):
            return
        model = unwrap(runner.model)
        self._gathered[GRADIENTS] = half_summed_gradients(model)
        if is_sharded(model):
            self._gathered["state_dict"] = gather(model.state_dict())
            if self.save_optimizer:
                self._gathered["optimizer"] = gather(runner.optim_wrapper.state_dict())

    def _keep_to(self, folder: Path, runner: Any) -> None:
        """Forget a best checkpoint elsewhere: it is deleted once there is a better one."""
        paths = getattr(self, "best_ckpt_path_dict", {"": getattr(self, "best_ckpt_path", None)})
        for indicator, path in paths.items():
            if path is None or Path(path).resolve().is_relative_to(folder.resolve()):
                continue
            runner.logger.warning(f"The best checkpoint so far, {path}, is not in {folder}: kept.")
            if indicator:
                self.best_ckpt_path_dict[indicator] = None
            else:
                self.best_ckpt_path = None

    def _is_atomic(self) -> bool:
        return (self.backend_args or {}).get("backend") == ATOMIC_BACKEND

    def _folder(self, runner: Any) -> Path:
        """Where checkpoints go; the base class decides it only once the training starts."""
        if self.out_dir is None or self.out_dir == runner.work_dir:
            return Path(runner.work_dir)
        return Path(self.out_dir) / osp.basename(runner.work_dir.rstrip(osp.sep))

    def _repair_last_checkpoint(self, runner: Any, folder: Path) -> None:
        pointer = Path(runner.work_dir) / "last_checkpoint"
        named = pointer.read_text().strip() if pointer.is_file() else ""
        if named and is_whole_checkpoint(named):
            return
        pattern = re.compile(re.escape(self.filename_tmpl).replace(r"\{\}", r"(\d+)"))
        whole = {
            int(match[1]): path
            for path in folder.glob("*")
            if (match := pattern.fullmatch(path.name)) and is_whole_checkpoint(path)
        }
        if whole:
            newest = whole[max(whole)]
            write_atomically(str(newest).encode(), pointer)
            runner.logger.warning(
                f"{pointer} names no whole checkpoint ({named or 'it is empty or missing'}): "
                f"resuming from {newest}, the newest that is whole."
            )
        elif named:
            raise FileNotFoundError(
                f"Cannot resume: {named}, named by {pointer}, is missing or truncated, and {folder}"
                f" holds no whole checkpoint like {self.filename_tmpl}. Start anew without "
                "--resume, or name a checkpoint by load_from."
            )
        elif pointer.exists():
            pointer.unlink()  # empty: mmengine would try to load a file of no name

    def _removals_last(self) -> contextlib.AbstractContextManager[None]:
        if isinstance(self.file_backend, AtomicLocalBackend):
            return self.file_backend.removals_last()
        return contextlib.nullcontext()

    def _remove_step(self, step: int) -> None:
        path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # sharded checkpoints are folders
            self.file_backend.rmtree(path)

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        """As mmengine does, with the previous best one deleted last."""
        self._gather(runner)
        with self._removals_last():
            super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        """Write the checkpoint, then point to it, then delete what is outdated."""
        outdated = []
        if self.max_keep_ckpts > 0 and not (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated.append(self.keep_ckpt_ids.popleft())
            self.keep_ckpt_ids.append(step)
            # A run killed before the deletion below finds in its checkpoint what is left to do.
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
            runner.message_hub.update_info("outdated_ckpt_ids", outdated)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        self._gather(runner)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if not is_main_process():
            return
        pointer = osp.join(runner.work_dir, "last_checkpoint")
        write_atomically(str(self.last_ckpt).encode(), pointer)
        for old in outdated:
            self._remove_step(old)


def check_same_run(runner: Any, checkpoint: dict) -> None:
    """Check that a checkpoint to resume is of the model and the optimizer of this run.

    mmengine loads what fits and says of the rest a line in the log.

    Args:
        runner: The runner that resumes.
        checkpoint: The checkpoint's content.

    Raises:
        ValueError: If tensors are missing, too many or of other shapes, or the optimizer's groups
            differ.
    """
    where = f"work_dir {runner.work_dir}" if runner._load_from is None else runner._load_from
    remedy = (
        "Resume with the config it was written with, or choose another --work-dir; to start from "
        "its weights alone, set load_from without --resume."
    )
    saved = checkpoint.get("state_dict", {})
    if not isinstance(saved, dict) or "meta" not in checkpoint:
        raise ValueError(
            f"{where} holds no checkpoint of a training run that could be resumed (no "
            "'state_dict' or 'meta'). Set load_from without --resume to start from its weights."
        )
    model = unwrap(runner.model)
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    other = {name: tuple(value.shape) for name, value in saved.items()}
    differing = [n for n in {**own, **other} if own.get(n) != other.get(n)]
    if differing:
        name = differing[0]
        raise ValueError(
            f"{where} is of another config: {len(differing)} tensors of the model differ, first "
            f"{name} (this config {own.get(name)}, the checkpoint {other.get(name)}). {remedy}"
        )
    groups = (checkpoint.get("optimizer") or {}).get("param_groups")
    optimizer = getattr(runner.optim_wrapper, "optimizer", None)
    if groups is not None and optimizer is not None:
        sizes = [len(g["params"]) for g in groups]
        expected = [len(g["params"]) for g in optimizer.param_groups]
        if sizes[: len(expected)] != expected:
            raise ValueError(
                f"{where} is of another config: its optimizer has {len(sizes)} parameter groups "
                f"of {sizes} tensors, this config's (optim_wrapper.paramwise_cfg) "
                f"{len(expected)} of {expected}. {remedy}"
            )
