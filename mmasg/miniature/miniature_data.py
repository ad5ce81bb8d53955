"""Make the miniature data and the label files that training reads, where they are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mmasg.commands.shipped_files import shipped


def make_miniature_data(folder: str = "data/miniature") -> None:
    """Run the generator and both label converters; each keeps what is there already.

    Args:
        folder: Where the configs expect the data, relative to the current folder.

    Raises:
        subprocess.CalledProcessError: One of them failed; it has said why.
    """
    root = Path(folder)
    commands = [
        ["miniature.py", "--out", str(root)],
        ["gta.py", str(root / "gta5")],
        ["cityscapes.py", str(root / "cityscapes")],
    ]
    for tool, *arguments in commands:
        command = [sys.executable, str(shipped(f"tools/dataset_converters/{tool}")), *arguments]
        subprocess.run(command, check=True)
