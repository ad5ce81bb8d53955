"""Runs commands in this process, which is quicker than one of their own."""

import sys

import pytest
from load_tool import load_tool


@pytest.fixture
def run(monkeypatch, capsys):
    """``run('train.py', ...)`` gives the exit code, what was printed, and the errors."""

    def run(tool, *arguments):
        module = load_tool(tool.removesuffix(".py"))
        monkeypatch.setattr(sys, "argv", [str(module.__file__), *map(str, arguments)])
        code = module.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
