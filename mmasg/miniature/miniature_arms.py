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


def _rate_arm(group: str, name: str, title: str, config: str | None = None) -> Arm:
    suffix = "_adamw" if group == "AdamW" else ""
    file = config or f"mini_gta2cityscapes_rates_{name}{suffix}.py"
    return Arm(name, str(_CONFIGS / file), title, group=group)


_SETTERS = {
    "relative": "relative steps",
    "handset": "hand-set, body x 0.1",
    "equal": "every group x 1",
    "random": "relative steps x random",
    "schedulefree": "schedule-free, body x 0.1",
    "dadaptation": "D-Adaptation",
}

#: Who sets the rates, on the miniature street with ImageNet consistency: by each optimizer.
RATE_ARMS = (
    *(_rate_arm("SGD", name, title) for name, title in _SETTERS.items()),
    _rate_arm("SGD", "policy", "the paper's policy", "mini_gta2cityscapes.py"),
    _rate_arm("SGD", "lars", "LARS, body x 0.1"),
    _rate_arm("SGD", "dog", "layer-wise DoG"),
    *(_rate_arm("AdamW", name, title) for name, title in _SETTERS.items()),
    _rate_arm("AdamW", "prodigy", "Prodigy", "mini_gta2cityscapes_rates_prodigy.py"),
)

#: The base rates of the robustness curve.
RATE_VALUES = {
    "SGD": ("0.002", "0.005", "0.02", "0.05", "0.2", "0.5"),
    "AdamW": ("1e-5", "1e-4", "1e-3", "1e-2"),
}

#: Arms without a base rate: what they call lr is a factor that stays 1.
WITHOUT_RATE = ("dadaptation", "prodigy", "dog")

#: ``{test: dataloader}``; the first is the one whose predictions are kept.
TESTS = {"target (test)": "test_dataloader", "source (held out)": "source_dataloader"}

#: Cost of a job of each task in about the same unit, for the time left.
WEIGHTS = {"seg": 1.0, "cls": 0.4}
