"""The variants that ``make demo`` and ``make benchmark`` train on the miniature data."""

from __future__ import annotations

from mmasg.benchmark.arms import Arm

_SEG = "configs/asg/mini_gta2cityscapes"
_CLS = "configs/asg/mini_visda"

#: The arms of the demonstration: the baseline, the first idea, and both.
DEMO_ARMS = (
    Arm("seg", "baseline", f"{_SEG}_baseline.py", "baseline"),
    Arm("seg", "consistency", f"{_SEG}_consistency.py", "consistency"),
    Arm("seg", "asg", f"{_SEG}.py", "consistency + policy"),
    Arm("cls", "baseline", f"{_CLS}_baseline.py", "baseline"),
    Arm("cls", "consistency", f"{_CLS}_consistency.py", "consistency"),
    Arm("cls", "asg", f"{_CLS}.py", "consistency + policy"),
)

#: The paper's controls of the second idea: the same windows, multipliers that nothing has learned.
CONTROL_ARMS = (
    Arm("seg", "random", f"{_SEG}_random.py", "consistency + random rates"),
    Arm("seg", "fixed", f"{_SEG}_fixed.py", "consistency + fixed rates"),
    Arm("cls", "random", f"{_CLS}_random.py", "consistency + random rates"),
    Arm("cls", "fixed", f"{_CLS}_fixed.py", "consistency + fixed rates"),
)

#: ``{test: dataloader}``; the first is the one whose predictions are kept.
TESTS = {"target": "test_dataloader", "source": "source_dataloader"}

#: Cost of a job of each task in about the same unit, for the time left.
WEIGHTS = {"seg": 1.0, "cls": 0.4}
