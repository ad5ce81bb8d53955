"""Make the miniature data and the label files that training reads, where they are missing."""

from __future__ import annotations

import subprocess
import sys

from mmasg.benchmark.jobs import ROOT

_CONVERTERS = ROOT / "tools" / "dataset_converters"


def make_miniature_data(folder: str = "data/miniature") -> None:
    """Run the generator and both label converters; each keeps what is there already.

    Args:
        folder: Where the configs expect the data, relative to the repository.

    Raises:
        subprocess.CalledProcessError: One of them failed; it has said why.
    """
    root = ROOT / folder
    commands = [
        ["miniature.py", "--out", str(root)],
        ["gta.py", str(root / "gta5")],
        ["cityscapes.py", str(root / "cityscapes")],
    ]
    for tool, *arguments in commands:
        command = [sys.executable, str(_CONVERTERS / tool), *arguments]
        subprocess.run(command, check=True, cwd=ROOT)
