"""Import a command below tools/ as a module."""

import importlib.util

from mini_run import ROOT


def load_tool(path):
    """Return the module of a command, named relative to tools/ and without its suffix."""
    file = ROOT / "tools" / f"{path}.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
