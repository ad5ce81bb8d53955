"""Runs a function over many files in processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

from tqdm import tqdm

from mmasg.errors import wrong

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """Cores this process may use, at most 16: beyond that disks are what one waits for."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        cores = os.cpu_count() or 1
    return min(cores, 16)


def parallel_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int = 0,
    title: str = "",
) -> Iterator[Result]:
    """Yields ``function(item)`` for every item, in order, with a progress bar on stderr.

    Args:
        function: Importable by name, or a ``functools.partial`` of such a function; it must not
            raise for a bad item but return what is wrong.
        items: What to work on.
        workers: Processes; 0 means :func:`default_workers`, 1 works in this process.
        title: Text in front of the progress bar.

    Yields:
        The results in the order of ``items``.

    Raises:
        ValueError: ``workers`` is negative.
        RuntimeError: A process was killed from outside, usually for lack of memory.
    """
    if workers < 0:
        raise ValueError(wrong("--workers", workers, "0 (one a core) or more"))
    workers = min(workers or default_workers(), max(len(items), 1))
    bar = partial(tqdm, total=len(items), desc=title, unit="file", mininterval=0.5)
    if workers == 1:
        yield from bar(map(function, items))
        return
    # fork, where there is one, spares each worker the seconds that importing torch takes; the
    # workers use neither torch nor threads.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    chunk = max(1, min(16, len(items) // (workers * 4)))
    pool = ProcessPoolExecutor(workers, mp_context=context)
    try:
        yield from bar(pool.map(function, items, chunksize=chunk))
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"a worker process was killed, usually for lack of memory: start again with "
            f"fewer than --workers {workers}; finished files are kept"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
