"""The configs that people run, and what of them needs a package that is not here."""

from importlib.util import find_spec
from pathlib import Path

import pytest

LEAVES = sorted((Path(__file__).resolve().parents[1] / "configs" / "asg").glob("*.py"))
#: Part of a config's name -> why it cannot be built here; None where it can.
MISSING = {
    "mask2former": next(
        (
            f"Mask2Former needs {what}, which is not installed"
            for package, what in (("mmdet", "mmdetection"), ("mmcv._ext", "mmcv's compiled ops"))
            if find_spec(package) is None
        ),
        None,
    )
}


def reason(path):
    """Why a config cannot be built here, None where it can."""
    return next((why for part, why in MISSING.items() if why and part in path.stem), None)


def buildable():
    """Every config as a parameter of a test, marked to be skipped where it cannot be built."""
    return [
        pytest.param(
            path, id=path.stem, marks=[pytest.mark.skip(reason=reason(path))] * bool(reason(path))
        )
        for path in LEAVES
    ]
