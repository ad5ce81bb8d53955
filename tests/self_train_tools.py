"""Pseudo labels by the command, in this process."""

import io
import sys

import pytest
from load_tool import load_tool


def label(*arguments):
    """Run pseudo_labels.py in this process; what it printed."""
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as printed:
        patch.setattr(sys, "argv", ["pseudo_labels.py", *map(str, arguments)])
        patch.setattr(sys, "stdout", printed)
        load_tool("pseudo_labels").main()
        return printed.getvalue()
