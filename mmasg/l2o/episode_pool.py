"""Episodes run side by side, each in an environment's process of its own."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from mmasg.errors import wrong

from .environment import TrainingEnvironment, build_environments
from .episode import EnvironmentStep

Controller = Callable[[Any], Sequence[float]]
"""Maps an observation to the multipliers, one per group, of the next window."""


@dataclass(frozen=True)
class EpisodeJob:
    """One episode to run.

    Attributes:
        number: The episode's, which is its seed; of several environments one is taken by it.
        controller: Decides. It is called in a thread of its own, for this episode alone.
    """

    number: int
    controller: Controller


def run_episode(
    environment: TrainingEnvironment, controller: Controller, seed: int
) -> list[EnvironmentStep]:
    """Run one episode; returns its windows."""
    windows = [environment.reset(seed)]
    while not windows[-1].done:
        windows.append(environment.step(controller(windows[-1].observation)))
    return windows


class EpisodePool:
    """Workers that run episodes, each with environments of its own.

    An episode depends on its number and its controller alone: not on the worker, nor on what was
    run before, nor on the number of workers, as long as that leaves each the same number of
    threads.

    Args:
        environments: Arguments of :class:`~mmasg.l2o.TrainingEnvironment`, a dict or a list of
            dicts; an episode takes the one at its number modulo their number.
        workers: How many episodes run at a time. They share this process's threads out.

    Raises:
        ValueError: ``workers`` below 1.
    """

    def __init__(
        self, environments: Mapping[str, Any] | Sequence[Mapping[str, Any]], workers: int
    ) -> None:
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
            raise ValueError(wrong("workers", workers, "an integer >= 1"))
        # Processes that all use every core wait for each other's threads.
        threads = max(1, torch.get_num_threads() // workers)
        self._workers = [
            build_environments(environments, num_threads=threads) for _ in range(workers)
        ]
        self._free: queue.SimpleQueue[list[TrainingEnvironment]] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def map(self, jobs: Sequence[EpisodeJob]) -> Iterator[list[EnvironmentStep]]:
        """Run episodes; yields the windows of each, in the jobs' order."""
        with ThreadPoolExecutor(len(self._workers)) as executor:
            futures = [executor.submit(self._run, job) for job in jobs]
            try:
                for future in futures:
                    yield future.result()
            finally:  # an error in one: the others need not begin
                for future in futures:
                    future.cancel()

    def close(self) -> None:
        """Let the environments' processes go."""
        for worker in self._workers:
            for environment in worker:
                environment.close()

    def _run(self, job: EpisodeJob) -> list[EnvironmentStep]:
        worker = self._free.get()
        try:
            return run_episode(worker[job.number % len(worker)], job.controller, job.number)
        finally:
            self._free.put(worker)
