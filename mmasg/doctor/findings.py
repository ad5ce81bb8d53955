"""What an examination finds, and how it is caught and written."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mmengine.logging import MMLogger

_COUNTER = itertools.count()


@dataclass
class Part:
    """One part of an examination.

    Attributes:
        title: What was looked at.
        facts: What a training will do, line by line.
        errors: What will stop a training or make it wrong, with the remedy.
        warnings: What one should know.
    """

    title: str
    facts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Turn what the block raises into an error, what it logs as a warning into a warning."""
        logger = MMLogger.get_instance(f"mmasg_doctor_{next(_COUNTER)}", log_level="WARNING")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.addHandler(_Collector(self.warnings))
        try:
            yield
        except Exception as error:  # a config may name any class, which may raise anything
            self.errors.append(said(error))


class _Collector(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if text not in self._found:
            self._found.append(text)


def said(error: Exception) -> str:
    """Return an error's message in one line, with its kind where that is not told by ours."""
    text = " ".join(str(error).split())[:1000]
    ours = isinstance(error, (ValueError, TypeError, OSError)) and text
    return text if ours else f"{type(error).__name__}: {text or 'no message'}"


def as_text(parts: Sequence[Part]) -> str:
    """Return an examination as text, with the result in its last line."""
    lines = []
    for part in parts:
        lines.append(part.title)
        lines += [f"  {line}" for fact in part.facts for line in fact.splitlines()]
        lines += [f"  ERROR {text}" for text in part.errors]
        lines += [f"  warning: {text}" for text in part.warnings]
        lines.append("")
    errors = sum(len(part.errors) for part in parts)
    warnings = sum(len(part.warnings) for part in parts)
    lines.append(
        f"RESULT: a training would stop or be wrong ({errors} errors above)"
        if errors
        else f"RESULT: no errors ({warnings} warnings above)"
    )
    return "\n".join(lines)
