"""The commands of self-training in this process: starting Python takes longer than they do."""

import io
import sys

import pytest
from load_tool import load_tool


def command(tool, *arguments):
    """Run a command below tools/ as if it were typed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{tool}.py", *map(str, arguments)])
        module = load_tool(tool)
        if tool == "self_train":  # which starts the others
            patch.setattr(
                module, "run", lambda name, *words: command(name.removesuffix(".py"), *words)
            )
        module.main()


def label(*arguments):
    """Run pseudo_labels.py in this process; what it printed."""
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as printed:
        patch.setattr(sys, "stdout", printed)
        command("pseudo_labels", *arguments)
        return printed.getvalue()
