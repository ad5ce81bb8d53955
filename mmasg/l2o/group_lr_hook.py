"""What :class:`~mmasg.l2o.GroupPolicy` observes of a training run, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmasg.optim.group_norms import norm
from mmasg.optim.named_groups import own_parameters
from mmasg.optim.relative_step import RelativeStepHook
from mmasg.optim.step_rates import StepRates
from mmasg.wrapped_model import unwrap

from .gradient_sketch import GradientSketch
from .group_observation import WindowFacts, observe_groups
from .group_statistics import GroupStatistics
from .observation import split_losses
from .task_kl_agreement import TaskKLAgreement
from .windowed_rates_hook import WindowedRatesHook, mean_over_processes

# After the relative steps, whose norms are taken over.
_ORDER = 2


class GroupLRHook(WindowedRatesHook):
    """Base of the hooks that multiply relative steps, for any number of layer groups.

    Brings a :class:`~mmasg.optim.RelativeStepHook` with its defaults where the run has none. Losses
    and norms are summed up on the device; the gradients' norms cost one pass over them a step. With
    an ``ImageNetConsistencyHook`` whose weight is not 0, the gradients of the task and of the
    consistency loss are compared once a window, in its last iteration, by two further backward
    passes.

    Args:
        window: See :class:`~mmasg.l2o.WindowRule`.
    """

    state_key = "group_lr"

    def __init__(self, window: int | str | Mapping[str, Any]) -> None:
        super().__init__(window)
        self.relative: RelativeStepHook | None = None
        self.first: WindowFacts | None = None
        self.before: WindowFacts | None = None
        self._sketch: GradientSketch | None = None
        self._agreement: TaskKLAgreement | None = None
        self._params: list[list[Tensor]] = []

    def before_run(self, runner: Runner) -> None:
        """Find the groups, and see to relative steps."""
        super().before_run(runner)
        if self.rates is None:
            return
        found = [hook for hook in runner.hooks if isinstance(hook, RelativeStepHook)]
        self.relative = found[0] if found else RelativeStepHook()
        if not found:
            runner.register_hook(self.relative)
        self.statistics = GroupStatistics(self.rates.num_groups)
        optimizer = self.rates.optimizer
        self._params = [[] for _ in self.rates.names]
        for entry in optimizer.param_groups:
            self._params[entry["group_index"]] += own_parameters(entry)
        self._sketch = GradientSketch(self._params)

    def before_train(self, runner: Runner) -> None:
        """Begin or go on, and watch the optimizer's steps."""
        assert self.rates is not None and self._sketch is not None
        super().before_train(runner)
        StepRates.of(self.rates.optimizer).add(self.rates.optimizer, self._add_step, _ORDER)
        model, warn = unwrap(runner.model), runner.logger.warning
        self._agreement = TaskKLAgreement(model, self._sketch, self.distance, warn)

    def begin(self, runner: Runner) -> None:
        """The first window, at multiplier 1."""
        super().begin(runner)
        self.first = self.before = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Compare the losses' gradients in the window's last iteration."""
        assert self._agreement is not None
        self._agreement.found = None
        self._agreement.wanted = self.statistics.count + 1 >= self.window_length

    def add_iteration(self, runner: Runner, outputs: Mapping[str, Any]) -> None:
        """Add the losses, and what the optimizer's step has shown."""
        task_loss, distance = split_losses(outputs, self.distance)
        several = get_world_size() > 1
        device = self._params[0][0].device
        self.statistics.add(task_loss, distance, device, mean_over_processes if several else None)
        assert self._agreement is not None
        found = self._agreement.found
        if found is not None:
            if several:
                mean_over_processes(found)
            self.statistics.task_kl = found

    def after_train(self, runner: Runner) -> None:
        """Leave optimizer and model alone again."""
        super().after_train(runner)
        if self.rates is not None:
            StepRates.of(self.rates.optimizer).remove(self._add_step)
        if self._agreement is not None:
            self._agreement.close()

    def observe(self, runner: Runner, facts: WindowFacts) -> tuple[Tensor, Tensor] | None:
        """What the policy sees after a window; ``None`` where there is nothing finite to see."""
        assert self.rates is not None
        if not facts.is_finite():
            return None
        before, self.before = self.before, facts
        self.first = self.first or facts
        count = self.rates.num_groups
        new = [False] * (count - 1) + [True]  # as the relative steps have it
        progress = (runner.iter + 1) / runner.max_iters
        return observe_groups(facts, before, self.first, self.rates.multipliers, new, progress)

    def rates_log(self) -> dict[str, float]:
        """The multipliers; the hook of the relative steps logs rates."""
        assert self.rates is not None
        named = zip(self.rates.names, self.rates.multipliers, strict=True)
        return {f"lr_mult/{name}": multiplier for name, multiplier in named}

    def extra_state(self) -> dict[str, Any]:
        """What was observed of the first window and of the one before."""
        kept = dict(first=self.first, before=self.before)
        return {name: None if facts is None else asdict(facts) for name, facts in kept.items()}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take up :meth:`extra_state`."""
        for name in ("first", "before"):
            facts = state[name]
            setattr(self, name, None if facts is None else WindowFacts(**facts))

    @torch.no_grad()
    def _add_step(self, optimizer: Optimizer) -> None:
        """Before a step: what its gradients show."""
        assert self.rates is not None and self.relative is not None and self._sketch is not None
        scale = getattr(optimizer, "grad_scale", None)  # a fused optimizer under a GradScaler
        gradients = [[p.grad for p in params if p.grad is not None] for params in self._params]
        device = self._params[0][0].device
        norms = torch.stack([norm(group).to(device) for group in gradients])
        self.statistics.add_step(
            norms if scale is None else norms / scale,
            [self.relative.weight_norms[name] for name in self.rates.names],
            [self.relative.fractions[name] for name in self.rates.names],
            self._sketch.take([p.grad for p in self._sketch.tensors]),
        )
