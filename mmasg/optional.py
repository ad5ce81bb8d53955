"""Packages that only a part of mmasg needs, imported where that part is used."""

from __future__ import annotations

import importlib
from types import ModuleType


def optional_import(module: str, needed_by: str, requirement: str) -> ModuleType:
    """Import a module that is not among what mmasg always needs.

    Args:
        module: Dotted name of the module.
        needed_by: Who needs it, for the message.
        requirement: What to give to ``pip install``.

    Returns:
        The module.

    Raises:
        ImportError: It does not import; says who needs it and the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs {module.partition('.')[0]}, which does not import ({error}). "
            f"Install it by: pip install '{requirement}'"
        ) from error
