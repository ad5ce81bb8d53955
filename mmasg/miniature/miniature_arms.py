"""The variants that ``make demo`` and ``make benchmark`` train on the miniature data."""

from __future__ import annotations

from mmasg.benchmark.arms import Arm
from mmasg.commands.shipped_files import shipped

_CONFIGS = shipped("configs/asg")


def _arm(group: str, name: str, title: str, suffix: str | None = None) -> Arm:
    config = {"seg": "mini_gta2cityscapes", "cls": "mini_visda"}[group]
    suffix = f"_{name}" if suffix is None else suffix
    return Arm(name, str(_CONFIGS / f"{config}{suffix}.py"), title, group=group)


#: The arms of the demonstration: the baseline, the first idea, and both.
DEMO_ARMS = tuple(
    arm
    for group in ("seg", "cls")
    for arm in (
        _arm(group, "baseline", "baseline"),
        _arm(group, "consistency", "consistency"),
        _arm(group, "asg", "consistency + policy", suffix=""),
    )
)

#: The paper's controls of the second idea: the same windows, multipliers that nothing has learned.
CONTROL_ARMS = tuple(
    _arm(group, name, f"consistency + {name} rates")
    for group in ("seg", "cls")
    for name in ("random", "fixed")
)

#: ``{test: dataloader}``; the first is the one whose predictions are kept.
TESTS = {"target (test)": "test_dataloader", "source (held out)": "source_dataloader"}

#: Cost of a job of each task in about the same unit, for the time left.
WEIGHTS = {"seg": 1.0, "cls": 0.4}
