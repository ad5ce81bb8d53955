"""Generate the miniature data sets.

    python tools/dataset_converters/miniature.py --out data/miniature --seed 0

Frames that are already there are kept, so an interrupted run goes on where it stopped; the same
seed makes the same files whatever the number of workers.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from mmasg.files.parallel import parallel_map
from mmasg.miniature import TASKS
from mmasg.miniature.jobs import check_stamp, remove_stamp, run_job


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data/miniature"), help="data folder")
    parser.add_argument("--seed", type=int, default=0, help="non-negative; 0 by default")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 (default): one a core")
    parser.add_argument("--only", choices=sorted(TASKS), help="make this kind of data alone")
    parser.add_argument("--overwrite", action="store_true", help="make existing frames anew")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"--seed must be 0 or more, got {options.seed}")
    if options.workers < 0:
        parser.error(f"--workers must be 0 or more, got {options.workers}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    options = parse_args(arguments)
    for task in [TASKS[options.only]] if options.only else TASKS.values():
        began = time.monotonic()
        if options.overwrite:
            for folder in task.folders:
                shutil.rmtree(options.out / folder, ignore_errors=True)
            remove_stamp(options.out, task)
        try:
            check_stamp(options.out, task, options.seed)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        jobs = task.plan(options.out, options.seed)
        if jobs:
            task.prepare()
        for _ in parallel_map(run_job, jobs, options.workers, title=task.name):
            pass
        task.finish(options.out, options.seed)
        places = ", ".join(str(options.out / folder) for folder in task.folders)
        seconds = time.monotonic() - began
        print(f"{task.name}: {len(jobs)} frames made in {seconds:.0f} s; all are in {places}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
