"""Several runs at a time, each command in a process of its own, with one progress line."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from .runs import Run, RunFailedError

_LINE_SECONDS = 15.0
_POLL_SECONDS = 1.0


def run_all(runs: Sequence[Run], workers: int | None = None, threads: int = 1) -> list[str]:
    """Complete runs; one that fails does not end the others.

    Args:
        runs: What to run, in this order; a run comes after that which it starts from.
        workers: Processes at a time. None: one for every core up to two, or one where there is
            a GPU.
        threads: Threads of each process. The numbers depend on it in their last digits.

    Returns:
        What went wrong, a message a failed run.
    """
    waiting = []
    for run in runs:
        if run.finished():
            run.write_result()
            print(f"{run.folder}: trained and tested before, taken as it is")
        else:
            waiting.append(run)
    failures = []
    children = Children(threads)
    progress = ProgressLine(runs)
    with ThreadPoolExecutor(max(1, workers or default_workers())) as pool:
        running: dict[Future, Run] = {}
        for run in waiting:
            # Starts come before what starts from them, so a worker that waits waits for another.
            begun = next((f for f, other in running.items() if other is run.start), None)
            running[pool.submit(_complete, run, begun, children)] = run
        pending: set[Future] = set(running)
        try:
            while pending:
                done, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
                for future in (f for f in running if f in done):  # a start before its followers
                    if error := future.exception():
                        failures.append(_failure(running[future], error))
                        print(f"\n{failures[-1]}\n")
                progress.show([run for future, run in running.items() if future.running()])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end()
    progress.end()
    return failures


def _complete(run: Run, begun: Future | None, children: Children) -> None:
    """Complete a run, after that which it starts from."""
    if begun is not None and begun.exception() is not None:
        assert run.start is not None
        raise RunFailedError(f"{run.name}: what it starts from, {run.start.name}, failed")
    run.complete(children.caller(run))


def default_workers() -> int:
    """One for every core up to two; one where there is a GPU."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 1 if torch.cuda.is_available() else min(2, cores or 1)


class Children:
    """The processes at work.

    Args:
        threads: Threads of each.
    """

    def __init__(self, threads: int) -> None:
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "PYTHONWARNINGS": "ignore",
            # The package that runs here is the one that runs there.
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }
        self._processes: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._ended = False

    def caller(self, run: Run) -> Callable[..., int]:
        """Return the function by which a run runs its commands."""

        def call(command: list[str], log: Path, tick: Callable[[float], None] | None) -> int:
            with open(run.folder / "lock", "w") as lock, open(log, "a") as output:
                self._claim(lock, run)
                return self._call(command, output, lock.fileno(), tick)

        return call

    def end(self) -> None:
        """End what is running, and start nothing more."""
        with self._lock:
            self._ended = True
            for process in self._processes:
                process.terminate()

    def _claim(self, lock, run: Run) -> None:
        """Wait until no process of an earlier comparison, killed meanwhile, is at this run."""
        said = False
        while not self._ended:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not said:
                    print(f"{run.folder}: another process is at this run; waiting for its end")
                said = True
                time.sleep(_POLL_SECONDS)

    def _call(self, command, output, lock: int, tick) -> int:
        with self._lock:
            if self._ended:
                raise RunFailedError("ended before it began")
            process = subprocess.Popen(
                [sys.executable, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                pass_fds=(lock,),
            )
            self._processes.add(process)
        begun = time.time()
        while True:
            try:
                code = process.wait(timeout=_LINE_SECONDS)
            except subprocess.TimeoutExpired:
                code = None
            if tick is not None:
                tick(time.time() - begun)
                begun = time.time()
            if code is not None:
                with self._lock:
                    self._processes.discard(process)
                return code


class ProgressLine:
    """How much is done, what runs, and an estimate of the time left.

    Args:
        runs: All runs.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._terminal = sys.stdout.isatty()
        self._start = self._shown = time.time()
        self._before = self._done()

    def show(self, running: Sequence[Run]) -> None:
        """Print the line; where it is no terminal, now and then."""
        now = time.time()
        if now - self._shown < (_POLL_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._shown, done = now, self._done()
        gained = done - self._before
        left = "unknown yet"
        if gained > 0.005 or (gained > 0 and now - self._start > 120):
            left = duration((now - self._start) / gained * (1 - done))
        words = ", ".join(run.words() for run in running)
        line = f"{100 * done:3.0f}%  {words}  time left: {left}"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{line[:width]:<{width}}"
        print(line, end="" if self._terminal else "\n", flush=True)

    def end(self) -> None:
        """End the line."""
        if self._terminal:
            print()

    def _done(self) -> float:
        total = sum(run.weight for run in self._runs)
        return sum(run.fraction() * run.weight for run in self._runs) / total if total else 1.0


def duration(seconds: float) -> str:
    """Say a time in hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _failure(run: Run, error: BaseException) -> str:
    return str(error) if isinstance(error, RunFailedError) else f"{run.name}: {error!r}"
