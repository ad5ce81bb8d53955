"""One way to say what is wrong: the config key, what it got, what is allowed, the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


def wrong(key: str, got: Any, allowed: str, remedy: str = "") -> str:
    """Compose the message for a value that is not allowed.

    Args:
        key: The config key or command-line switch, as the user wrote it.
        got: What stands there; shown by its ``repr``.
        allowed: What may stand there, as the end of "allowed: ...".
        remedy: What to do, one or more sentences. Defaults to none.

    Returns:
        ``"KEY: got GOT; allowed: ALLOWED. REMEDY"``.
    """
    return f"{key}: got {got!r}; allowed: {allowed}.{f' {remedy}' if remedy else ''}"


def did_you_mean(name: Any, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> str:
    """Compose the hint at near names, with a space in front; empty where none is near.

    Args:
        name: What was typed.
        known: The names there are.
        most: How many names are hinted at. Defaults to 1.
        cutoff: How alike a name has to be, 0 to 1. Defaults to 0.6.
    """
    near = get_close_matches(str(name), list(known), n=most, cutoff=cutoff)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def first_of(items: Sequence[Any], limit: int = 8, separator: str = ", ") -> str:
    """Join the first items by commas and say how many more there are; 'none' if there is none."""
    more = f"{separator}... ({len(items) - limit} more)" if len(items) > limit else ""
    return (separator.join(map(str, items[:limit])) or "none") + more
