"""What a config that came out of a file may name before anything is built from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mmasg.errors import wrong
from mmasg.registered import registered_classes


def check_dumped_config(parts: Mapping[str, Any], default_scope: Any = None) -> None:
    """See to it that a config names nothing but what this process has registered.

    mmengine imports and calls whatever a dotted ``type`` names, and some hooks of other packages
    evaluate their arguments: a config out of a file that came from elsewhere could run code.

    Args:
        parts: What is going to be built of the config, by key.
        default_scope: The config's ``default_scope``; mmengine imports a package of that name.

    Raises:
        ValueError: Naming the key and what stands there.
    """
    classes = registered_classes()
    known = {f"{c.__module__}.{c.__qualname__}" for found in classes.values() for c in found}
    if default_scope is not None and default_scope not in sys.modules:
        raise ValueError(
            wrong("default_scope in the file", default_scope, "packages that have been imported")
        )
    for path, name in _types(parts, ""):
        scope, _, short = name.rpartition(".")
        if name not in known and (short not in classes or scope not in ("", *sys.modules)):
            raise ValueError(
                wrong(
                    f"{path}.type in the file",
                    name,
                    "names that this process has registered",
                    "Import the module that registers it before (a hook: or leave it out, "
                    "--drop-hook).",
                )
            )
        homes = {c.__module__.partition(".")[0] for c in classes.get(short, [])}
        if path.startswith("custom_hooks") and not homes <= {"mmasg", "mmengine"}:
            raise ValueError(
                wrong(
                    f"{path}.type in the file",
                    name,
                    "hooks of mmasg and mmengine",
                    f"Leave it out: --drop-hook {short}.",
                )
            )


def _types(item: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every ``type`` with its place."""
    if isinstance(item, Mapping):
        if "type" in item:
            yield path, str(item["type"])
        for key, value in item.items():
            yield from _types(value, f"{path}.{key}" if path else str(key))
    elif isinstance(item, (list, tuple)):
        for index, value in enumerate(item):
            yield from _types(value, f"{path}[{index}]")
