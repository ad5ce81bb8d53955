"""The commands by which a run trains: from ImageNet, or from another run's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmasg.commands.shipped_files import shipped


def train_command(
    config: str, folder: Path, options: Sequence[str], start: Path | None, rounds: bool
) -> list[str]:
    """Arguments after the Python interpreter; goes on where an earlier call stopped.

    Args:
        config: The config file.
        folder: Work dir of the run.
        options: ``key=value``, overriding the config's.
        start: The checkpoint whose weights it starts from, or None.
        rounds: Whether it trains in rounds of self-training.
    """
    place = ["--work-dir", str(folder)]
    options = ["--cfg-options", *options]
    if start is not None and rounds:
        tool = str(shipped("tools/self_train.py"))
        return [tool, config, str(start), *place, *options]
    # mmengine resumes what load_from names; the run's own newest checkpoint comes first.
    goes_on = start is None or (folder / "last_checkpoint").is_file()
    begin = ["--resume"] if goes_on else []
    options += [] if goes_on else [f"load_from={start.resolve()}"]  # type: ignore[union-attr]
    return [str(shipped("tools/train.py")), config, *place, *begin, *options]
