"""Steps that are a wanted fraction of the weights, whatever the base rate and the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmasg.errors import did_you_mean, wrong
from mmasg.guard.one_pass import check_one_pass
from mmasg.guard.own_rates import why_not_rescaled

from .group_norms import by_name, norm, norm_of_changes, norm_of_updates, params_of
from .log_times import logger_writes_now
from .named_groups import group_names
from .step_rates import StepRates
from .update_direction import has_direction

# After multipliers, which thereby act on the relative step.
_ORDER = 1
_NORMS = ("all", "matrices")


@HOOKS.register_module()
class RelativeStepHook(Hook):
    r"""Give every layer group steps of a fixed size relative to its weights.

    Before each optimizer step the rate of a layer group is set so that the update which the
    optimizer is about to make, momentum and weight decay included, has the norm

    .. math:: \|\Delta w\| = \rho \cdot s(t) \cdot \|w\|,

    with the norms taken over the whole group and :math:`s(t)` the schedule: the scheduled rate
    over the initial one, from 0 to 1. The base rate, the scale of the loss and of the gradients,
    and clipping cancel. It is the trust ratio of LARS (You, Gitman, Ginsburg 2017, eq. 6) for a
    group in place of a tensor and with the momentum inside; Fromage (Bernstein et al. 2020)
    argues why the relative size of a step is what matters.

    The rates of SGD, Adam and AdamW are computed before the step from gradients and state. Any
    other optimizer steps as it likes first, from a copy of the weights that lives as long as the
    step does, and its update is then scaled to the wanted norm; its next rate is the one that
    would have given that. Multipliers of ``LayerLRPolicyHook`` act on the relative step.

    Nothing is kept from step to step (but one rate a group of such other optimizers, which
    travels with the checkpoint), so accumulation, mixed precision's skipped steps, several
    processes and resuming need no care. A group whose gradients are all zero stands still, and
    weights that get no gradient at all, as of layers that the loss does not reach, do not count.

    Args:
        body (float): :math:`\rho` of every group but the last. Defaults to 1e-4.
        head (float): :math:`\rho` of the last group, the new layers. Defaults to 1e-2.
        groups (dict, optional): ``{group name: rho}`` for single groups, 0 for one that is to
            stand still. Defaults to None.
        floor (float): Least root mean square of a group's weights that :math:`\|w\|` is taken
            for, so that weights that start at zero can move. Defaults to 1e-3.
        norm_over (str): ``'all'`` weights of a group, or its ``'matrices'``: weights of two
            dimensions or more, where the group has any; its biases and scales of norms then move
            at the same rate and count for nothing. Defaults to ``'all'``.

    Raises:
        TypeError: A number of another type, or several optimizers.
        ValueError: A negative number, a group that there is not, groups without names, a base
            rate of 0, sparse gradients, or an optimizer whose update is not to be scaled
            (closures, schedule-free, D-Adaptation, Prodigy, DoG).

    Example:
        >>> custom_hooks = [dict(type='RelativeStepHook')]
        >>> optim_wrapper = dict(
        ...     constructor='LayerGroupOptimWrapperConstructor',
        ...     paramwise_cfg=dict(preset='resnet_v1c'))
    """

    priority = "NORMAL"

    def __init__(
        self,
        body: float = 1e-4,
        head: float = 1e-2,
        groups: Mapping[str, float] | None = None,
        floor: float = 1e-3,
        norm_over: str = "all",
    ) -> None:
        self.body = _fraction("body", body)
        self.head = _fraction("head", head)
        if groups is not None and not isinstance(groups, Mapping):
            raise TypeError(wrong("RelativeStepHook.groups", groups, "dict(group_name=rho, ...)"))
        self.groups = {k: _fraction(f"groups[{k!r}]", v) for k, v in (groups or {}).items()}
        self.floor = _fraction("floor", floor)
        if norm_over not in _NORMS:
            allowed = "'all' or 'matrices'"
            raise ValueError(wrong("RelativeStepHook.norm_over", norm_over, allowed))
        self.norm_over = norm_over
        #: Each group's fraction in the step just done, the norm that it is a fraction of, and the
        #: rate that gave it.
        self.fractions: dict[str, float] = {}
        self.weight_norms: dict[str, float] = {}
        self.rates: dict[str, float] = {}
        self._rho: dict[str, float] = {}
        self._measured: dict[str, float] = {}
        self._before: dict[str, tuple[list[Tensor], list[Tensor], float]] = {}
        self._optimizer: Optimizer | None = None
        self._handle: Any = None

    def trained_with(self) -> dict[str, Any]:
        """All settings, which a resumed training has to share."""
        return dict(
            body=self.body,
            head=self.head,
            groups=self.groups or None,
            floor=self.floor,
            norm_over=self.norm_over,
        )

    def before_train(self, runner: Runner) -> None:
        """Find the groups and attach to the optimizer."""
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, OptimWrapperDict):
            raise TypeError(
                f"RelativeStepHook needs one optimizer, got optim_wrapper={type(wrapper).__name__}."
            )
        self.attach(wrapper.optimizer)

    def attach(self, optimizer: Optimizer) -> None:
        """Act on every step of an optimizer whose groups have names, from now on."""
        _check_optimizer(optimizer)
        names = group_names(optimizer, "RelativeStepHook")
        for name in self.groups:
            if name not in names:
                hint = did_you_mean(name, names)
                raise ValueError(
                    wrong("RelativeStepHook.groups", name, ", ".join(names), hint.strip())
                )
        self._rho = dict.fromkeys(names, self.body)
        self._rho[names[-1]] = self.head
        self._rho.update(self.groups)
        for group in optimizer.param_groups:
            # Schedulers keep the rate they start from here; without one the rate stays.
            if not float(group.setdefault("initial_lr", group["lr"])) > 0:
                raise ValueError(
                    wrong(
                        "optim_wrapper.optimizer.lr",
                        group["initial_lr"],
                        "any number above 0: it cancels, but the schedule is read off it",
                        "To keep a group still, RelativeStepHook.groups=dict(name=0).",
                    )
                )
        if self.floor == 0:
            self._refuse_zero_weights(optimizer)
        self._optimizer = optimizer
        StepRates.of(optimizer).add(optimizer, self._set_rates, _ORDER)
        if not has_direction(optimizer):
            self._handle = optimizer.register_step_post_hook(self._scale_update)

    def after_train(self, runner: Runner) -> None:
        """Leave the optimizer alone again."""
        if self._optimizer is not None:
            StepRates.of(self._optimizer).remove(self._set_rates)
        if self._handle is not None:
            self._handle.remove()
        self._optimizer = self._handle = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write each group's fraction and rate to the log files, not the console."""
        if logger_writes_now(runner, batch_idx):
            values = {f"relative_step/{name}": value for name, value in self.fractions.items()}
            values.update({f"lr/{name}": value for name, value in self.rates.items()})
            file = f"{runner.timestamp}.json"
            runner.visualizer.add_scalars(values, step=runner.iter + 1, file_path=file)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the rates of an optimizer whose updates are measured."""
        if self._measured:
            checkpoint["relative_step"] = dict(self._measured)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take them up again."""
        if runner._resume:
            self._measured = dict(checkpoint.get("relative_step", {}))

    def _counted(self, params: list[Tensor]) -> list[Tensor]:
        """Those of a group's parameters whose norms count."""
        matrices = [p for p in params if p.ndim > 1] if self.norm_over == "matrices" else []
        return matrices or params

    def _refuse_zero_weights(self, optimizer: Optimizer) -> None:
        for name, entries in by_name(optimizer).items():
            if not any(p.detach().any() for entry in entries for p in entry["params"]):
                raise ValueError(
                    wrong(
                        "RelativeStepHook.floor",
                        self.floor,
                        f"a number above 0: the weights of group {name!r} are all zero, and a "
                        "fraction of zero never moves them",
                    )
                )

    @torch.no_grad()
    def _set_rates(self, optimizer: Optimizer) -> None:
        """Set every group's rate for the step to come."""
        exact = has_direction(optimizer)
        groups = by_name(optimizer)
        norms, trained = [], {}
        for name, entries in groups.items():
            # What nothing trains here would only make the steps of the others larger.
            params = [p for p in params_of(entries) if p.grad is not None]
            _refuse_sparse(name, params)
            trained[name] = params
            counted = self._counted(params)
            least = self.floor * sum(p.numel() for p in counted) ** 0.5
            norms.append(norm(counted).clamp(min=least))
            if exact:
                norms.append(norm_of_updates(optimizer, entries, counted))
        device = optimizer.param_groups[0]["params"][0].device
        values = torch.stack([n.to(device) for n in norms]).tolist()  # one wait for the device
        weights, updates = (values[::2], values[1::2]) if exact else (values, [])
        for i, (name, entries) in enumerate(groups.items()):
            fraction = self._rho[name] * float(entries[0]["lr"]) / float(entries[0]["initial_lr"])
            wanted = fraction * weights[i]
            if exact:
                # Not finite: the step is lost in any case, and whoever guards it shall see it.
                rate = wanted / updates[i] if updates[i] > 0 else 0.0
            else:
                rate = self._measured.get(name, float(entries[0]["initial_lr"]))
                params = trained[name]
                self._before[name] = (params, [p.detach().clone() for p in params], wanted)
            self.fractions[name], self.rates[name] = fraction, rate
            self.weight_norms[name] = weights[i]
            for entry in entries:
                entry["lr"] = rate

    @torch.no_grad()
    def _scale_update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Bring the updates that were made to the wanted norms."""
        made = {
            name: float(norm_of_changes(params, before, self._counted(params)))
            for name, (params, before, _) in self._before.items()
        }
        for name, (params, before, wanted) in self._before.items():
            factor = wanted / made[name] if made[name] > 0 else 0.0
            for param, old in zip(params, before, strict=True):
                param.copy_(torch.lerp(old, param, factor))
            rate = self.rates[name] * factor
            if rate > 0:
                self.rates[name] = self._measured[name] = rate
        self._before.clear()


def _fraction(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(wrong(f"RelativeStepHook.{key}", value, "a number of at least 0"))
    if not 0 <= value < float("inf"):
        raise ValueError(wrong(f"RelativeStepHook.{key}", value, "a number of at least 0"))
    return float(value)


def _refuse_sparse(name: str, params: list[Tensor]) -> None:
    if any(p.grad is not None and p.grad.is_sparse for p in params):
        raise ValueError(
            wrong(
                f"gradients of group {name!r}",
                "a sparse tensor",
                "dense ones with RelativeStepHook",
                "Build the embedding with sparse=False.",
            )
        )


def _check_optimizer(optimizer: Optimizer) -> None:
    check_one_pass(optimizer)
    if reason := why_not_rescaled(optimizer):
        allowed = "an optimizer that makes one update a step, such as SGD or AdamW"
        name = type(optimizer).__name__
        remedy = f"Here {reason}. Leave RelativeStepHook out, or take another optimizer."
        raise ValueError(wrong("optim_wrapper.optimizer.type", name, allowed, remedy))
