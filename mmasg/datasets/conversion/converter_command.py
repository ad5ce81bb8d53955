"""What the command lines of the label converters share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mmasg.errors import wrong

from .label_conversion import ConversionReport


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--workers`` and ``--overwrite`` to a command line."""
    parser.add_argument(
        "--workers", type=int, default=0, help="processes; 0 (default) is one a core, at most 16"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="convert finished files again (default: skip)"
    )


def add_frame_options(parser: argparse.ArgumentParser, taxonomy: Path) -> None:
    """Adds what the converters of whole frames share: IN, OUT, ``--taxonomy``, ``--size``.

    Args:
        parser: The command line.
        taxonomy: Default of ``--taxonomy``.
    """
    parser.add_argument("source", metavar="IN", type=Path, help="folder of the data as downloaded")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the result")
    parser.add_argument(
        "--taxonomy", type=Path, default=taxonomy, help=f"common classes (default: {taxonomy})"
    )
    parser.add_argument(
        "--size",
        type=frame_size,
        metavar="WxH",
        help="resize frames, such as 480x360: images by area, labels by the nearest pixel "
        "(default: keep their size)",
    )
    add_run_options(parser)


def frame_size(text: str) -> tuple[int, int]:
    """Reads ``480x360``.

    Args:
        text: Width and height in pixels.

    Returns:
        (width, height).

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(wrong("--size", text, "width and height as 480x360"))
    return int(parts[0]), int(parts[1])


def check_folders(source: Path, out: Path) -> None:
    """Refuses an OUT that lies in IN or the other way round.

    Args:
        source: Folder of the data as downloaded.
        out: Folder of the result.

    Raises:
        FileNotFoundError: There is no IN.
        ValueError: One lies in the other.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"IN: no folder {source.absolute()}")
    here, there = source.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ValueError(wrong("OUT", str(out), "a folder outside IN, which stays as it is"))


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
