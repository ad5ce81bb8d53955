"""Schedules of a training: do they fall, fit the run, and go on in the same way after a resume."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import OptimWrapper, OptimWrapperDict, ReduceOnPlateauParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmasg.errors import wrong
from mmasg.registered import arguments

# What moves while a schedule runs; the rest of its state is how it was configured.
_MOVING = ("last_step", "_global_step", "_last_value", "base_values", "verbose", "_get_lr_called")


def optimizers_of(runner: Runner) -> Iterator[tuple[str | None, OptimWrapper, list]]:
    """Yield every optimizer wrapper with its key (None for a single one) and its schedulers."""
    schedulers = runner.param_schedulers or []
    if not isinstance(runner.optim_wrapper, OptimWrapperDict):
        yield None, runner.optim_wrapper, schedulers  # type: ignore[misc]
        return
    for name, wrapper in runner.optim_wrapper.items():
        yield name, wrapper, schedulers.get(name, []) if isinstance(schedulers, dict) else []


def key_of(name: str | None, index: int) -> str:
    """Return the config key of a scheduler."""
    return "param_scheduler" + (f".{name}" if name else "") + f"[{index}]"


def check_schedules(runner: Runner) -> None:
    """Check that no schedule contradicts the rates of its layer groups, or the run's length.

    Args:
        runner: A runner whose optimizer and schedulers are built.

    Raises:
        ValueError: The floor of a schedule is above a group's rate, so that it would rise; one
            rate for all groups takes their multipliers away; ``max_iters`` of a schedule is not
            the training's.
    """
    for name, wrapper, schedulers in optimizers_of(runner):
        groups = wrapper.optimizer.param_groups
        for index, scheduler in enumerate(schedulers):
            key = f"{key_of(name, index)} ({type(scheduler).__name__})"
            length = getattr(scheduler, "max_iters", None)
            if length is not None and length != runner.max_iters:
                raise ValueError(
                    wrong(
                        f"{key}.max_iters",
                        length,
                        f"{runner.max_iters}, the iterations of train_cfg",
                        "Leave max_iters out and write by_epoch=False: it is then the training's.",
                    )
                )
            if scheduler.param_name == "lr":
                _check_rates(key, scheduler, groups)


def _check_rates(key: str, scheduler: Any, groups: list[dict]) -> None:
    mults = {group.get("lr_mult", 1.0) for group in groups}
    peak = getattr(scheduler, "eta_max", None)
    if isinstance(peak, (int, float)) and len(mults) > 1:
        raise ValueError(
            wrong(
                f"{key}.eta_max",
                peak,
                "a list with a rate for every layer group, as their lr_mult differ",
                "One number takes the place of all the groups' rates.",
            )
        )
    floors = getattr(scheduler, "min_values", None) or [getattr(scheduler, "eta_min", None)]
    for group, floor in zip(groups, floors * len(groups), strict=False):
        rate = float(group.get("initial_lr", group["lr"]))
        if floor is None or floor <= rate:
            continue
        lowest = min(float(g.get("initial_lr", g["lr"])) for g in groups)
        if "eta_min_ratio" in (arguments(type(scheduler)) or {}):
            remedy = "Give the floor as a share of each group's rate: eta_min_ratio=0.01."
        else:
            remedy = (
                "Set eta_min=0, or take a schedule with a floor for every group: "
                "dict(type='CosineAnnealingLR', eta_min_ratio=0.01, ...)."
            )
        argument = "min_value" if hasattr(scheduler, "min_values") else "eta_min"
        raise ValueError(
            wrong(
                f"{key}.{argument}",
                floor,
                f"at most {lowest:g}, the lowest rate of a layer group",
                f"The rate {rate:g} of group '{group.get('group_name', groups.index(group))}' "
                f"would rise during the training. {remedy}",
            )
        )


def settings(scheduler: Any) -> dict[str, Any]:
    """Return how a scheduler, or its saved state, was configured."""
    state = scheduler if isinstance(scheduler, Mapping) else scheduler.state_dict()
    return {key: value for key, value in state.items() if key not in _MOVING}


def rebuild_schedules(runner: Runner, checkpoint: dict) -> None:
    """Put into a checkpoint the config's schedules, moved forward to where the checkpoint is.

    The runner then resumes these, and the rates that they give, in place of the saved ones.

    Args:
        runner: A runner whose optimizer and schedulers are freshly built.
        checkpoint: The checkpoint that is being resumed; changed in place.

    Raises:
        ValueError: A schedule depends on more than the iteration.
    """
    for name, _, schedulers in optimizers_of(runner):
        for index, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceOnPlateauParamScheduler):
                raise ValueError(
                    wrong(
                        key_of(name, index),
                        type(scheduler).__name__,
                        "with rebuild_schedule a schedule that follows from the iteration alone",
                        "Start from the checkpoint's weights by load_from without resume.",
                    )
                )
    _move_forward(runner, checkpoint["meta"])
    states: dict = {}
    for name, wrapper, schedulers in optimizers_of(runner):
        states[name] = [copy.deepcopy(s.state_dict()) for s in schedulers]
        moved = {"lr", *(s.param_name for s in schedulers)}
        moved |= {"betas"} if "momentum" in moved else set()
        moved |= {f"initial_{key}" for key in moved}
        saved = checkpoint.get("optimizer") or {}
        saved = saved if name is None else saved.get(name, {})
        old = [*saved.get("param_groups", []), saved.get("base_param_settings")]
        for group, before in zip(wrapper.param_groups, old, strict=False):
            for key in moved & group.keys():
                before[key] = copy.deepcopy(group[key])
    checkpoint["param_schedulers"] = states.pop(None, states)


def _move_forward(runner: Runner, meta: Mapping[str, Any]) -> None:
    """Step the schedulers as often as the training has, in its order."""
    hook = ParamSchedulerHook()
    epochs = meta["epoch"] if isinstance(runner.train_loop, EpochBasedTrainLoop) else 0
    length = len(runner.train_dataloader) if epochs else 0
    with warnings.catch_warnings():
        # mmengine reminds of optimizer.step, which the training before has done.
        warnings.simplefilter("ignore", UserWarning)
        for iteration in range(1, meta["iter"] + 1):
            hook.after_train_iter(runner, 0)
            if epochs and iteration % length == 0 and iteration // length <= epochs:
                hook.after_train_epoch(runner)
