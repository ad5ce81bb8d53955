"""What a checkpoint was trained with, compared with the config that would go on from it.

mmengine restores the optimizer's and the schedulers' settings from the checkpoint, whatever the
config says, and takes everything else from the config, whatever the checkpoint was trained with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.runner import Runner
from torch import Tensor

from mmasg.errors import first_of
from mmasg.registered import arguments, registered_classes

from .schedules import key_of, optimizers_of, rebuild_schedules, settings

KEY = "trained_with"
_LEFT_OUT = "(left out)"
#: Parts of a config that decide about the result; of hooks, those that say so themselves.
_PARTS = ("model", "optim_wrapper", "train_cfg", "train_dataloader")
#: Hooks that change what is trained, compared as the config writes them.
_HOOKS = ("EMAHook", "EvalModeHook", "MeanTeacherHook")
# Not the result: where things lie, how fast they come, how long and how often. The optimizer is
# compared as it was built; weights at the start are replaced by the checkpoint's.
_WITHOUT_EFFECT = {
    "_delete_",
    "_scope_",
    "by_epoch",
    "constructor",
    "data_root",
    "dynamic_intervals",
    "init_cfg",
    "lazy_init",
    "max_epochs",
    "max_iters",
    "num_workers",
    "optimizer",
    "paramwise_cfg",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "pretrained",
    "serialize_data",
    "test_cfg",
    "val_begin",
    "val_interval",
    "with_cp",
}
# Of a parameter group: how a step is computed, not what it does.
_COMPUTED = {"params", "foreach", "fused", "capturable", "differentiable", "group_index"}

_Difference = tuple[str, Any, Any]


def record(runner: Runner, checkpoint: dict) -> None:
    """Put what a checkpoint was trained with into it, as plain values.

    Hooks take part by a method ``trained_with() -> dict``: their settings that decide about the
    result, by the names that a config gives them.
    """
    checkpoint[KEY] = dict(
        config={key: _plain(runner.cfg[key]) for key in _PARTS if runner.cfg.get(key)},
        loop=type(runner.train_loop).__name__,
        hooks=_hooks(runner),
        wrappers={str(n): type(w).__name__ for n, w, _ in optimizers_of(runner)},
        optimizers={str(n): type(w.optimizer).__name__ for n, w, _ in optimizers_of(runner)},
        schedulers={
            str(n): [type(s).__name__ for s in schedulers]
            for n, _, schedulers in optimizers_of(runner)
        },
    )


def compare(runner: Runner, checkpoint: dict) -> None:
    """Compare what a checkpoint was trained with and what would go on from it.

    With ``rebuild_schedule = True`` in the config its schedules and base rates replace the
    checkpoint's (see :func:`mmasg.guard.schedules.rebuild_schedules`).

    Args:
        runner: A runner that resumes, with everything built.
        checkpoint: The checkpoint's content.

    Raises:
        ValueError: A setting that changes the result differs; names it and both values.
    """
    rebuild = bool(runner.cfg.get("rebuild_schedule"))
    schedules = [] if rebuild else list(_schedules(runner, checkpoint))
    found = [*schedules, *_groups(runner, checkpoint, rebuild)]
    known = checkpoint.get(KEY)
    if known is None:
        runner.logger.warning(
            "The checkpoint does not say which model, data and hooks it was trained with (it was "
            "saved without TrainingCheckHook): only its optimizer and schedules were compared."
        )
    else:
        now: dict[str, Any] = {}
        record(runner, now)
        found += _settings(known, now[KEY])
    if found:
        rows = [
            f"{key}: the checkpoint has {_shown(old)}, this config {_shown(new)}"
            for key, old, new in found
        ]
        raise ValueError(
            f"The checkpoint to resume was trained with another config. {first_of(rows, 4, '; ')}. "
            + (_SCHEDULE if schedules else _OTHER)
        )
    if rebuild:
        rebuild_schedules(runner, checkpoint)


_OTHER = (
    "Resume with the settings it was trained with; to start from its weights alone, set "
    "load_from to it, without --resume."
)
_SCHEDULE = (
    "A resumed training keeps the old schedule, so this one would not act. Two ways on: "
    "load_from with the checkpoint, without --resume (its weights, a fresh schedule); or "
    "--resume --rebuild-schedule (in a config rebuild_schedule = True), which builds the "
    "schedules of this config and moves them forward to the checkpoint's iteration."
)


def _hooks(runner: Runner) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for entry in runner.cfg.get("custom_hooks") or []:
        if isinstance(entry, Mapping) and (name := _name(entry.get("type"))) in _HOOKS:
            named[name] = _plain(entry)
    for hook in runner.hooks:
        says = getattr(hook, "trained_with", None)
        if says is not None:
            named[type(hook).__name__] = _plain(dict(says(), type=type(hook).__name__))
    return named


def _settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Difference]:
    classes = registered_classes()
    yield from _differences([old["loop"], new["loop"]], "train_cfg.type", classes)
    for part, suffix in (("wrappers", "type"), ("optimizers", "optimizer.type")):
        for name in {**old[part], **new[part]}:
            key = "optim_wrapper" + ("" if name == "None" else f".{name}")
            kinds = [side[part].get(name, _LEFT_OUT) for side in (old, new)]
            yield from _differences(kinds, f"{key}.{suffix}", classes)
    if old["config"] and new["config"]:  # a runner may be built without one
        for key in _PARTS:
            sides = [side["config"].get(key, {}) for side in (old, new)]
            yield from _differences(sides, key, classes)
    for name in {**old["hooks"], **new["hooks"]}:
        sides = [side["hooks"].get(name, _LEFT_OUT) for side in (old, new)]
        yield from _differences(sides, f"custom_hooks ({name})", classes)


def _schedules(runner: Runner, checkpoint: dict) -> Iterator[_Difference]:
    saved = checkpoint.get("param_schedulers")
    if saved is None:
        return
    types = (checkpoint.get(KEY) or {}).get("schedulers", {})
    for name, _, schedulers in optimizers_of(runner):
        states = saved.get(name, []) if isinstance(saved, Mapping) else saved
        names = [type(s).__name__ for s in schedulers]
        old_names = types.get(str(name), names)
        if len(states) != len(schedulers) or old_names != names:
            old = old_names if len(old_names) == len(states) else f"{len(states)} schedules"
            yield key_of(name, 0)[:-3], old, names
            continue
        for index, (state, scheduler) in enumerate(zip(states, schedulers, strict=True)):
            key = f"{key_of(name, index)} ({names[index]})"
            sides = [_plain(settings(side)) for side in (state, scheduler)]
            yield from _differences(sides, key, {})


def _groups(runner: Runner, checkpoint: dict, rebuild: bool) -> Iterator[_Difference]:
    for name, wrapper, _ in optimizers_of(runner):
        key = "optim_wrapper" + (f".{name}" if name else "")
        saved = checkpoint.get("optimizer") or {}
        saved = saved if name is None else saved.get(name, {})
        if "param_groups" not in saved:
            continue
        old, new = saved["param_groups"], wrapper.optimizer.param_groups
        # mmengine may list the base settings as one more group.
        names = [[g.get("group_name", i) for i, g in enumerate(side)] for side in (old, new)]
        if names[0][: len(new)] != names[1]:
            yield f"{key}.paramwise_cfg (groups)", names[0], names[1]
            continue
        # An optimizer may keep there, too, what it moves: an estimate, a number of steps.
        known = arguments(type(wrapper.optimizer))
        configured = {*(old[0] if known is None else known), "lr_mult", "group_name"}
        said = set()  # what differs in one group mostly differs in all
        for before, after in zip(old, new, strict=False):
            for path, *values in _group(before, after, key, rebuild, configured):
                if (setting := path.partition(" of group")[0]) not in said:
                    said.add(setting)
                    yield path, values[0], values[1]


def _group(
    old: dict, new: dict, key: str, rebuild: bool, configured: set[str]
) -> Iterator[_Difference]:
    group = f" of group '{new['group_name']}'" if "group_name" in new else ""
    for name in sorted((old.keys() & new.keys() & configured) - _COMPUTED):
        scheduled = f"initial_{name}" in {**old, **new}
        if name.startswith("initial_") or (rebuild and (scheduled or name == "lr")):
            continue
        if name == "betas" and "initial_momentum" in {**old, **new}:
            continue
        # What a schedule moves is compared as it was at the start.
        values = [_plain(side.get(f"initial_{name}", side[name])) for side in (old, new)]
        place = "paramwise_cfg" if name in ("lr_mult", "group_name") else "optimizer"
        yield from _differences(values, f"{key}.{place}.{name}{group}", {})


def _differences(sides: Sequence[Any], path: str, classes: Mapping) -> Iterator[_Difference]:
    """What differs between the two sides: the checkpoint's value and this config's."""
    old, new = sides
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        before, after = old.get("type"), new.get("type")
        if None not in (before, after) and before != after:
            yield f"{path}.type", before, after
            return
        defaults = _defaults(before or after, classes)
        for key in {**old, **new}:
            if key not in _WITHOUT_EFFECT and key != "type":
                values = [side.get(key, defaults.get(key, _LEFT_OUT)) for side in (old, new)]
                yield from _differences(values, f"{path}.{key}", classes)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(pair, f"{path}[{index}]", classes)
    elif not _same(old, new):
        yield path, old, new


def _defaults(kind: Any, classes: Mapping) -> dict[str, Any]:
    """What a class takes for the arguments that a config leaves out."""
    found = (arguments(value) or {} for value in classes.get(kind, []))
    return {
        name: _plain(parameter.default)
        for parameters in found
        for name, parameter in parameters.items()
        if parameter.default is not parameter.empty
    }


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        # A file that lies elsewhere is the same file.
        both = Path(old).is_absolute() and Path(new).is_absolute()
        return Path(old).name == Path(new).name if both else old == new
    return old == new


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)).rsplit(".", 1)[-1]


def _plain(value: Any) -> Any:
    """A config's value as JSON has it; classes and functions by name."""
    if isinstance(value, Mapping):
        return {str(k): _name(v) if k == "type" else _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.item()
    return _name(value) if hasattr(value, "__name__") else str(value)
