"""What the command lines of the label converters share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from .label_conversion import ConversionReport


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--workers`` and ``--overwrite`` to a command line."""
    parser.add_argument(
        "--workers", type=int, default=0, help="processes; 0 (default) is one a core, at most 16"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="convert finished files again (default: skip)"
    )


def run_converter(convert: Callable[[], ConversionReport]) -> int:
    """Runs a converter and prints its report, or its error in one line.

    Args:
        convert: Does the work.

    Returns:
        The exit code. 0: every file is converted; 1: some failed, or folders or arguments are
        wrong; 130: interrupted.
    """
    try:
        report = convert()
    except KeyboardInterrupt:
        print("\ninterrupted: start the same command again to go on", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report.text())
    return report.exit_code
