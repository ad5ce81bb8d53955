"""Dumps of single training steps, and their replay."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Sampler

from mmasg.checkpoint.atomic_files import save_atomically
from mmasg.checkpoint.plain_data import from_plain, to_plain
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.wrapped_model import unwrap

from .dumped_config import check_dumped_config
from .step_facts import describe_groups, mean_loss, mode_of

_VERSION = 1


def write_step_dump(runner: Any, path: Path, step: dict) -> str:
    """Write what is needed to compute a training step again.

    The file holds plain containers and tensors only, so ``torch.load(path, weights_only=True)``
    reads it: ``state_dict`` (weights and buffers before the step), ``optimizer`` (its state),
    ``batch`` (the data batch as the model got it), ``generators``, ``losses`` and ``groups`` (as
    reported), ``config`` (JSON), ``iter``, ``epoch``, ``rank``, ``world_size``.

    Args:
        runner: The runner, with the state before the step.
        path: Where to write.
        step: ``iter``, ``epoch``, ``batch``, ``generators``, ``losses`` and ``groups``.

    Returns:
        A line for a message to the user: where the dump is, or why there is none. An error of the
        disk must not hide the error that is being reported.
    """
    model = unwrap(runner.model)
    dump = dict(
        version=_VERSION,
        state_dict={k: v for k, v in model.state_dict().items() if isinstance(v, torch.Tensor)},
        optimizer=to_plain(runner.optim_wrapper.state_dict()),
        config=json.dumps(runner.cfg.to_dict(), default=str),
        rank=runner.rank,
        world_size=runner.world_size,
        **{k: to_plain(v) for k, v in step.items()},
    )
    dump["state_dict"] = to_plain(dump["state_dict"])
    try:
        save_atomically(dump, path)
    except OSError as error:
        return f"\nThe dump of the step could not be written: {error}"
    return f"\nThe step can be replayed: python tools/replay_step.py {path}"


def load_step_dump(path: str | Path) -> dict:
    """Read a dump of :func:`write_step_dump`.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no dump of a step.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no dump of a training step at {path}.")
    try:
        dump = load_checkpoint(path, "cpu")
    except ValueError as error:
        raise ValueError(f"{path} is no dump of a training step: {error}") from error
    if not isinstance(dump, dict) or dump.get("version") != _VERSION or "batch" not in dump:
        raise ValueError(
            f"{path} is no dump of a training step. NonFiniteLossHook writes them as "
            "WORK_DIR/non_finite_iter_*.pth."
        )
    return dump


class _OneBatch(Dataset):
    """The dumped batch, as often as it is asked for."""

    def __init__(self, batch: Any, length: int) -> None:
        self.batch, self.length = batch, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.batch


class _SameIndex(Sampler):
    """Yields 0 for ever, and has nothing to skip."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Any:
        while True:
            yield 0

    def __len__(self) -> int:
        return self.length

    def skip(self, num_samples: int) -> None:
        """Do nothing: every sample is the same."""


class _Replayed(Exception):
    """Carries the result of a replay out of the training loop."""


@HOOKS.register_module()
class _ReplayHook(Hook):
    """Puts the dumped state in place, and ends the training before an optimizer's step."""

    priority = "LOWEST"

    def __init__(self, dump: dict) -> None:
        self.dump = dump
        self.losses: dict[str, torch.Tensor] = {}

    def before_train(self, runner: Any) -> None:
        runner.model.load_state_dict(self.dump["state_dict"])
        runner.optim_wrapper.load_state_dict(from_plain(self.dump["optimizer"]))
        runner.train_loop._iter, runner.train_loop._epoch = self.dump["iter"], 0

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        def seed(model: Any, args: tuple, kwargs: dict) -> None:
            torch.set_rng_state(self.dump["generators"]["cpu"])
            if "cuda" in self.dump["generators"] and torch.cuda.is_available():
                torch.cuda.set_rng_state(self.dump["generators"]["cuda"])

        def keep(model: Any, args: tuple, kwargs: dict, losses: Any) -> None:
            if mode_of(args, kwargs) == "loss":
                self.losses = {name: mean_loss(value) for name, value in losses.items()}

        runner.model.register_forward_pre_hook(seed, with_kwargs=True)
        runner.model.register_forward_hook(keep, with_kwargs=True)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        # Half of the gradient is there, as of two accumulated batches: no step was due yet.
        for parameter in runner.model.parameters():
            if parameter.grad is not None:
                parameter.grad *= 2
        raise _Replayed(self.losses, describe_groups(runner.optim_wrapper))


def replay_step(path: str | Path, drop_hooks: tuple[str, ...] = ()) -> dict:
    """Compute a dumped step's losses and gradients again, in one process, without the update.

    Model, optimizer and hooks are built from the config in the dump; the rates are those of the
    step. Hooks that decide about rates, or stop at what is not finite, are left out. The step of
    one rank of several is replayed alone: gradients are then that rank's.

    Args:
        path: The dump.
        drop_hooks: Types of further ``custom_hooks`` to leave out. Defaults to none.

    Returns:
        ``dict(iter=int, losses={name: float}, groups=[dict(name, lr, grad_norm)],
        dumped_losses={name: float}, gradients={parameter name: tensor})``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no dump of a step, one without a config, or one whose config names
            what this process has not registered, or a hook of another package.
    """
    dump = load_step_dump(path)
    config = Config(json.loads(dump["config"]))
    if "model" not in config or "optim_wrapper" not in config:
        raise ValueError(
            f"{path} holds no config, as its runner was built without one (Runner.from_cfg gives "
            "it). Build the model yourself and take the state from "
            "mmasg.guard.step_dump.load_step_dump."
        )
    dropped = {"LayerLRPolicyHook", "GroupPolicyHook", "NonFiniteLossHook", "EMAHook", *drop_hooks}
    hooks = [
        hook
        for hook in config.get("custom_hooks") or []
        if str(hook["type"]).rsplit(".", 1)[-1] not in dropped
    ]
    check_dumped_config(
        dict(model=config.model, optim_wrapper=config.optim_wrapper, custom_hooks=hooks),
        config.get("default_scope"),
    )
    length = dump["iter"] + 2
    for key in ("val_cfg", "val_dataloader", "val_evaluator"):
        config[key] = None
    for key in ("test_cfg", "test_dataloader", "test_evaluator", "param_scheduler"):
        config[key] = None
    optim_wrapper = _without_steps(config.optim_wrapper)
    with tempfile.TemporaryDirectory() as folder:
        config.merge_from_dict(
            dict(
                work_dir=folder,
                resume=False,
                load_from=None,
                launcher="none",
                log_level="ERROR",
                train_cfg=dict(
                    _delete_=True, type="IterBasedTrainLoop", max_iters=length, val_interval=length
                ),
                optim_wrapper=dict(_delete_=True, **optim_wrapper),
            )
        )
        config.default_hooks = dict(checkpoint=None, logger=None)
        replay = _ReplayHook(dump)
        loader = DataLoader(
            _OneBatch(from_plain(dump["batch"]), length),
            batch_size=1,
            sampler=_SameIndex(length),
            collate_fn=_first,
        )
        arguments = {
            key: config.get(key)
            for key in ("work_dir", "train_cfg", "optim_wrapper", "default_scope", "log_level")
        }
        runner = Runner(
            model=config.model,
            train_dataloader=loader,
            default_hooks=config.default_hooks,
            custom_hooks=[*hooks, replay],
            randomness=config.get("randomness") or dict(seed=None),
            experiment_name=f"replay_{Path(folder).name}",
            cfg=config,
            **arguments,
        )
        try:
            runner.train()
        except _Replayed as result:
            losses, groups = result.args
        gradients = {
            name: p.grad.detach().cpu()
            for name, p in runner.model.named_parameters()
            if p.grad is not None
        }
    return dict(
        iter=dump["iter"],
        losses={name: value.item() for name, value in losses.items()},
        groups=groups,
        dumped_losses={name: value.item() for name, value in dump["losses"].items()},
        gradients=gradients,
    )


def _without_steps(wrapper: dict) -> dict:
    """An optimizer wrapper's config, or several ones', whose first batch makes no step yet."""
    if "optimizer" in wrapper:
        return dict(wrapper, accumulative_counts=2)
    return {k: _without_steps(v) if isinstance(v, dict) else v for k, v in wrapper.items()}


def _first(batch: list) -> Any:
    return batch[0]
