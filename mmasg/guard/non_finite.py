"""Stop at, or skip, a step whose loss or gradient is not finite, before it spoils the weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor, nn

from mmasg.wrapped_model import unwrap

from .step_dump import write_step_dump
from .step_facts import describe_groups, local_gradients, mean_loss, mode_of

_ACTIONS = ("stop", "skip")


class NonFiniteLossError(RuntimeError):
    """Raised instead of an optimizer step whose loss or gradient is not finite."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Keep a step with a NaN or infinite loss away from the weights.

    A forward hook on the model sees the losses by name, and the step of the optimizer wrapper is
    guarded: it happens only if every loss of the step, and every gradient, is finite on every
    rank. BatchNorm statistics which the forward pass has changed are put back, too.

    - ``action='stop'``: raises :class:`NonFiniteLossError` with the iteration, the losses by name
      and each parameter group's rate and gradient norm, and writes a dump from which the step can
      be replayed: ``python tools/replay_step.py DUMP``.
    - ``action='skip'``: leaves the step out, logs the same, counts it
      (``message_hub.get_info('non_finite_steps')``) and goes on.

    With gradient accumulation the whole accumulated step is stopped at or left out. After a step
    left out, hooks that read the iteration's losses (``LayerLRPolicyHook`` averages them) get
    those of the last good iteration instead of what is not finite.

    Args:
        action: ``'stop'`` or ``'skip'``. Defaults to ``'stop'``.
        check_gradients: Whether a finite loss with a gradient that is not finite counts, too.
            Not with a ``GradScaler`` (float16), which meets such gradients by design and skips
            them itself. Defaults to True.
        max_consecutive: With ``'skip'``, stop when that many steps in a row were left out.
            Defaults to 20.
        dump: Whether to write a dump on stopping. Defaults to True.

    Raises:
        ValueError: If ``action`` or ``max_consecutive`` is not allowed.

    Example:
        >>> custom_hooks = [dict(type='NonFiniteLossHook', action='skip')]
    """

    # First in before_train_iter, where it keeps what a dump needs, before other hooks act.
    priority = "VERY_HIGH"

    def __init__(
        self,
        action: str = "stop",
        check_gradients: bool = True,
        max_consecutive: int = 20,
        dump: bool = True,
    ) -> None:
        if action not in _ACTIONS:
            raise ValueError(
                f"NonFiniteLossHook: action must be one of {', '.join(_ACTIONS)}, got {action!r}."
            )
        if not isinstance(max_consecutive, int) or max_consecutive < 1:
            raise ValueError(
                f"NonFiniteLossHook: max_consecutive must be at least 1, got {max_consecutive!r}."
            )
        self.action = action
        self.check_gradients = check_gradients
        self.max_consecutive = max_consecutive
        self.dump = dump
        self._handles: list[Any] = []
        self._pending: list[dict] = []
        self._statistics: list[tuple[Tensor, Tensor]] = []
        self._consecutive = 0
        self._iteration: dict = {}
        self._good_losses: dict[str, Any] = {}

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Attach at the first iteration, after every hook that adds a loss; keep the batch."""
        if not self._handles:
            self._attach(runner)
        self._iteration = dict(iter=runner.iter, epoch=runner.epoch, batch=data_batch)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Keep what is not finite from the hooks that average losses, in ``'skip'``."""
        if self.action != "skip" or outputs is None:
            return
        for name, value in outputs.items():
            if not isinstance(value, Tensor) or value.numel() != 1:
                continue
            if value.isfinite():
                self._good_losses[name] = value.detach().clone()
            elif name in self._good_losses:
                outputs[name] = self._good_losses[name]

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
        """Detach from the model and the optimizer wrapper."""
        for handle in self._handles:
            handle.remove()
        if self._handles:
            runner.optim_wrapper.step = self._step
        self._handles.clear()

    def _attach(self, runner: Any) -> None:
        model = unwrap(runner.model)
        self._handles = [
            model.register_forward_pre_hook(self._before_forward, with_kwargs=True),
            model.register_forward_hook(self._after_forward, with_kwargs=True),
        ]
        wrapper = runner.optim_wrapper
        scaled = getattr(wrapper, "loss_scaler", None) is not None
        step = self._step = wrapper.step

        # The schedulers have marked the method in order to count its calls: keep the mark.
        @functools.wraps(step)
        def guarded_step(**kwargs: Any) -> None:
            if self._all_finite(wrapper, self.check_gradients and not scaled):
                self._consecutive = 0
                step(**kwargs)
            else:
                self._refuse(runner, model)
            self._pending.clear()
            self._statistics.clear()

        wrapper.step = guarded_step

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

    def _all_finite(self, wrapper: Any, with_gradients: bool) -> bool:
        values = [
            value.float()
            for entry in self._pending
            for name, value in entry["losses"].items()
            if "loss" in name
        ]
        if with_gradients:
            values += [g.norm().float() for g in local_gradients(wrapper.optimizer.param_groups)]
        if not values:
            return True
        # One number, so that a GPU is waited for once.
        bad = (~torch.stack([v.to(values[0].device) for v in values]).isfinite()).any().float()
        all_reduce(bad, op="max")  # all ranks decide alike
        return not bad.item()

    @torch.no_grad()
    def _refuse(self, runner: Any, model: nn.Module) -> None:
        own = [e for e in self._pending if not _finite(e["losses"])]
        entry = (own or self._pending)[0]
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
