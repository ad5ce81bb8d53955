"""Stop at, or skip, a step whose loss or gradient is not finite, before it spoils the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.registry import HOOKS
from torch import Tensor, nn

from mmasg.errors import did_you_mean, wrong
from mmasg.wrapped_model import unwrap

from .step_dump import write_step_dump
from .step_facts import describe_groups, local_gradients, mean_loss, mode_of, wrappers

_ACTIONS = ("stop", "skip")


class NonFiniteLossError(RuntimeError):
    """Raised instead of an optimizer step whose loss or gradient is not finite."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Keep a step with a NaN or infinite loss away from the weights.

    A forward hook on the model sees the losses by name, and a step pre-hook guards every
    optimizer: a step happens only if every loss of it, and every gradient, is finite on every
    rank. BatchNorm statistics which the forward pass has changed are put back, too.

    - ``action='stop'``: raises :class:`NonFiniteLossError` with the iteration, the losses by name
      and each parameter group's rate and gradient norm, and writes a dump from which the step can
      be replayed: ``python tools/replay_step.py DUMP``.
    - ``action='skip'``: leaves the step out, logs the same, counts it
      (``message_hub.get_info('non_finite_steps')``) and goes on.

    With gradient accumulation the whole accumulated step is stopped at or left out; with several
    optimizers, every step of the iteration. What is not finite does not reach the log's means and
    hooks that read the iteration's losses (``LayerLRPolicyHook`` averages them): they get those of
    the last good iteration.

    Args:
        action: ``'stop'`` or ``'skip'``. Defaults to ``'stop'``.
        check_gradients: Whether a finite loss with a gradient that is not finite counts, too.
            A ``GradScaler`` (float16) meets such gradients by design and skips them itself.
            Defaults to True.
        max_consecutive: With ``'skip'``, stop when that many steps in a row were left out.
            Defaults to 20.
        dump: Whether to write a dump on stopping. Defaults to True.

    Raises:
        ValueError: If ``action`` or ``max_consecutive`` is not allowed.

    Example:
        >>> custom_hooks = [dict(type='NonFiniteLossHook', action='skip')]
    """

    # Before mmengine's RuntimeInfoHook (VERY_HIGH), which hands the losses to the log.
    priority = "HIGHEST"

    def __init__(
        self,
        action: str = "stop",
        check_gradients: bool = True,
        max_consecutive: int = 20,
        dump: bool = True,
    ) -> None:
        if action not in _ACTIONS:
            hint = did_you_mean(action, _ACTIONS).strip()
            raise ValueError(
                wrong("NonFiniteLossHook.action", action, " or ".join(map(repr, _ACTIONS)), hint)
            )
        if not isinstance(max_consecutive, int) or max_consecutive < 1:
            raise ValueError(
                wrong("NonFiniteLossHook.max_consecutive", max_consecutive, "an integer from 1 on")
            )
        self.action = action
        self.check_gradients = check_gradients
        self.max_consecutive = max_consecutive
        self.dump = dump
        self._handles: list[Any] = []
        self._pending: list[dict] = []
        self._statistics: list[tuple[Tensor, Tensor]] = []
        self._consecutive = 0
        self._stepped = self._refused = False
        self._iteration: dict = {}
        self._good_losses: dict[str, Any] = {}

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Attach at the first iteration, after every hook that adds a loss; keep the batch."""
        if not self._handles:
            self._attach(runner)
        self._iteration = dict(iter=runner.iter, epoch=runner.epoch, batch=data_batch)
        self._stepped = self._refused = False

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Let the batch go; keep what is not finite from the log and from other hooks."""
        if self._pending and not self._stepped and _scalers(runner.optim_wrapper):
            # A scaler leaves steps with gradients that are not finite out by itself, and calls no
            # optimizer then: what the losses were has to be asked here.
            if not self._all_finite([]):
                self._refuse(runner)
            self._stepped = True
        if self._stepped:
            self._pending.clear()
            self._statistics.clear()
            if not self._refused:
                self._consecutive = 0
        self._iteration = {}
        if self.action == "skip":
            self._mend_log(runner, outputs or {})

    def _mend_log(self, runner: Any, outputs: dict) -> None:
        for name, value in list(outputs.items()):
            if not isinstance(value, Tensor) or value.numel() != 1:
                continue
            if value.isfinite():
                self._good_losses[name] = value.detach().clone()
            elif name in self._good_losses:
                outputs[name] = self._good_losses[name]
            else:
                del outputs[name]
        norms = runner.message_hub.log_scalars.get("train/grad_norm")
        if self._refused and norms is not None and not math.isfinite(norms.current()):
            # The norm that clipping logged before the step was left out.
            history, counts = (values[:-1] for values in norms.data)
            kept = HistoryBuffer(history, counts, norms.max_length)
            runner.message_hub.log_scalars["train/grad_norm"] = kept

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Keep what a resumed run needs to go on in the same way."""
        if self.action == "skip":
            checkpoint["non_finite"] = dict(
                consecutive=self._consecutive,
                losses={name: value.cpu() for name, value in self._good_losses.items()},
            )

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Take up the state of a run that is resumed."""
        state = checkpoint.get("non_finite")
        if state is not None and getattr(runner, "_resume", False):
            self._consecutive = state["consecutive"]
            self._good_losses = dict(state["losses"])

    def after_train(self, runner: Any) -> None:
        """Detach from the model and the optimizers."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _attach(self, runner: Any) -> None:
        model = unwrap(runner.model)

        def guard(optimizer: Any, args: tuple, kwargs: dict) -> None:
            self._stepped = True
            # All ranks see the same number of steps, so they ask each other as often.
            if not self._all_finite(self._gradients(runner, optimizer)):
                self._refuse(runner)
                # Without a gradient no optimizer moves a parameter, its state or its step count.
                for group in optimizer.param_groups:
                    for parameter in group["params"]:
                        parameter.grad = None

        self._handles = [
            model.register_forward_pre_hook(self._before_forward, with_kwargs=True),
            model.register_forward_hook(self._after_forward, with_kwargs=True),
            *(w.optimizer.register_step_pre_hook(guard) for w in wrappers(runner.optim_wrapper)),
        ]

    def _before_forward(self, model: nn.Module, args: tuple, kwargs: dict) -> None:
        if mode_of(args, kwargs) != "loss":
            return
        if not self._pending:  # the first forward pass of the step
            self._statistics = [
                (buffer, buffer.clone())
                for module in model.modules()
                if isinstance(module, nn.modules.batchnorm._NormBase) and module.training
                for buffer in module.buffers(recurse=False)
            ]
        self._iteration["generators"] = _generator_states()

    def _after_forward(self, model: nn.Module, args: tuple, kwargs: dict, losses: Any) -> None:
        if mode_of(args, kwargs) == "loss" and isinstance(losses, Mapping):
            named = {name: mean_loss(value) for name, value in losses.items()}
            self._pending.append({**self._iteration, "losses": named})

    def _gradients(self, runner: Any, optimizer: Any) -> list[Tensor]:
        if not self.check_gradients or _scalers(runner.optim_wrapper):
            return []
        return local_gradients(optimizer.param_groups)

    def _all_finite(self, gradients: list[Tensor]) -> bool:
        values = [
            value.float()
            for entry in self._pending
            for name, value in entry["losses"].items()
            if "loss" in name
        ]
        values += [g.norm().float() for g in gradients]
        if not values:
            return True
        # One number, so that a GPU is waited for once.
        bad = (~torch.stack([v.to(values[0].device) for v in values]).isfinite()).any().float()
        all_reduce(bad, op="max")  # all ranks decide alike
        return not bad.item()

    @torch.no_grad()
    def _refuse(self, runner: Any) -> None:
        if self._refused:  # another optimizer of the same iteration
            return
        self._refused = True
        own = [e for e in self._pending if not _finite(e["losses"])]
        entry = (own or self._pending or [{**self._iteration, "losses": {}}])[0]
        groups = describe_groups(runner.optim_wrapper)
        for buffer, before in self._statistics:
            buffer.copy_(before)
        self._consecutive += 1
        hub = runner.message_hub
        count = hub.runtime_info.get("non_finite_steps", 0) + 1
        hub.update_info("non_finite_steps", count)
        message = _report(entry, groups, bool(own))
        if self.action == "skip" and self._consecutive < self.max_consecutive:
            runner.logger.warning(f"{message}\nThe step was left out ({count} so far).")
            return
        if self.action == "skip":
            message += f"\n{self._consecutive} steps in a row were left out: stopping."
        if self.dump:
            name = f"non_finite_iter_{entry['iter'] + 1}_rank{runner.rank}.pth"
            path = Path(runner.work_dir) / name
            message += write_step_dump(runner, path, {**entry, "groups": groups})
        message += (
            "\nThe weights are those before the step. Usual causes: a rate too high for its group, "
            "a label id outside the classes, an input image with NaN. To leave such steps out, "
            "set NonFiniteLossHook(action='skip')."
        )
        raise NonFiniteLossError(message)


def _scalers(wrapper: Any) -> bool:
    """Whether gradients are scaled, so that some of them may overflow by design."""
    return any(getattr(w, "loss_scaler", None) is not None for w in wrappers(wrapper))


def _finite(losses: Mapping[str, Tensor]) -> bool:
    return all(math.isfinite(v) for name, v in losses.items() if "loss" in name)


def _generator_states() -> dict[str, Any]:
    states: dict[str, Any] = dict(cpu=torch.get_rng_state())
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _report(entry: dict, groups: list[dict], own: bool) -> str:
    losses = ", ".join(f"{name} {value.item():.6g}" for name, value in entry["losses"].items())
    rows = "\n".join(
        f"  {g['name']}: rate {g['lr']:.6g}, gradient norm {g['grad_norm']:.6g}" for g in groups
    )
    if own:
        what = "the loss is not finite"
    elif all(math.isfinite(g["grad_norm"]) for g in groups):
        what = "the loss or gradient of another rank is not finite"
    else:
        what = "the loss is finite, its gradient is not"
    return (
        f"Iteration {entry['iter'] + 1} (epoch {entry['epoch'] + 1}): {what}.\nLosses: {losses}\n"
        f"Parameter groups:\n{rows}"
    )
