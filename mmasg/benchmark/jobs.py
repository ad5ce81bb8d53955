"""Train and test arms in processes of their own, a few at a time, with one progress line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmasg.l2o.policy_file import policy_path
from mmasg.visualization.scalar_log import read_scalars

from .arms import Arm

ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.5
_LINE_SECONDS = 15.0


@dataclass
class Step:
    """One command of a job.

    Args:
        name: Shown in the progress line.
        command: Arguments after the Python interpreter.
        share: Its part of the job's work, for the estimate of the time left.
        result: The file that the command writes last; where it exists the step is done.
    """

    name: str
    command: list[str]
    share: float
    result: Path


class Job:
    """Train one arm with one seed, then test its last checkpoint.

    Args:
        arm: What to train.
        seed: Seed of the run.
        folder: Work dir; logs, checkpoint and metrics go there.
        tests: ``{name: dataloader}``: on which of the config's dataloaders to test.
        weight: Cost compared with other jobs, for the estimate of the time left.
    """

    def __init__(
        self, arm: Arm, seed: int, folder: Path, tests: dict[str, str], weight: float = 1.0
    ) -> None:
        self.arm = arm
        self.seed = seed
        self.folder = folder
        self.weight = weight
        self.options = [*arm.options, f"randomness.seed={seed}"]
        self.cfg = Config.fromfile(str(ROOT / arm.config))
        self.tests = tests
        self.max_iters = self._length()
        self.process: subprocess.Popen | None = None
        self.started = 0.0

    def _length(self) -> int:
        """Iterations of the run; an epoch-based config says ``iters_per_epoch`` as well."""
        train = self.cfg.train_cfg
        return int(train.get("max_iters") or train.max_epochs * self.cfg.iters_per_epoch)

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint, the one that counts."""
        return self.folder / f"iter_{self.max_iters}.pth"

    def metrics_file(self, test: str) -> Path:
        """Where a test's metrics are."""
        return self.folder / f"metrics_{test}.json"

    @property
    def predictions(self) -> Path:
        """Folder of the predictions on the first of the tests."""
        return self.folder / "predictions"

    def steps(self) -> list[Step]:
        """Return the commands: train, then each test."""
        config = str(ROOT / self.arm.config)
        options = ["--cfg-options", *self.options]
        steps = [
            Step(
                "train",
                [str(ROOT / "tools/train.py"), config, "--work-dir", str(self.folder), "--resume"]
                + options,
                1.0,
                self.checkpoint,
            )
        ]
        for i, (name, loader) in enumerate(self.tests.items()):
            command = [str(ROOT / "tools/test.py"), config, str(self.checkpoint)]
            command += ["--work-dir", str(self.folder / "tests"), "--dataloader", loader]
            command += ["--json", str(self.metrics_file(name))]
            command += ["--out", str(self.predictions)] if i == 0 else []
            steps.append(Step(f"test {name}", command + options, 0.1, self.metrics_file(name)))
        return steps

    def key(self) -> str:
        """A hash of everything that the job's results depend on but the code."""
        text = self.cfg.pretty_text + repr(self.options) + repr(sorted(self.tests.items()))
        digest = hashlib.sha256(text.encode())
        for hook in self.cfg.get("custom_hooks") or []:
            if isinstance(hook.get("policy"), str):
                digest.update(policy_path(hook["policy"]).read_bytes())
        return digest.hexdigest()

    def prepare(self) -> bool:
        """Make the folder; returns whether results of this very job are there already.

        A folder with results of other settings is emptied.
        """
        stamp = self.folder / "settings.sha256"
        if not stamp.is_file() or stamp.read_text() != self.key():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            stamp.write_text(self.key())
        return all(step.result.is_file() for step in self.steps())

    def iteration(self) -> int:
        """How far the training has come, from its log."""
        try:
            records = read_scalars(self.folder)
        except FileNotFoundError:
            return 0
        return min(int(records[-1].get("step", 0)), self.max_iters) if records else 0

    def seconds(self) -> float:
        """Seconds that the training took, all its resumed parts together."""
        file = self.folder / "seconds.json"
        return float(json.loads(file.read_text())) if file.is_file() else float("nan")


class Pool:
    """Run jobs, ``workers`` of them at a time, each with its share of the cores.

    Args:
        jobs: What to run, in this order.
        workers: Processes at a time. None: one for every core up to two, or one where there is
            a GPU.
    """

    def __init__(self, jobs: list[Job], workers: int | None = None) -> None:
        import torch

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        cores = cores or 1
        if workers is None:
            workers = 1 if torch.cuda.is_available() else min(2, cores)
        self.jobs = jobs
        self.workers = max(1, workers)
        self.threads = max(1, cores // self.workers)
        self._progress = {id(job): 0.0 for job in jobs}
        self._start = 0.0
        self._line = 0.0

    def run(self) -> None:
        """Run everything.

        Raises:
            RuntimeError: A command failed; names its log and shows its last lines.
        """
        waiting = []
        for job in self.jobs:
            if job.prepare():
                self._progress[id(job)] = 1.0
                print(f"{job.folder}: trained and tested before, taken as it is")
            else:
                waiting.append(job)
        running: dict[int, tuple[Job, list[Step]]] = {}
        self._start, done_before = time.time(), self._done()
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.pop(0)
                    running[id(job)] = (job, [s for s in job.steps() if not s.result.is_file()])
                    self._launch(job, running[id(job)][1][0])
                time.sleep(_POLL_SECONDS)
                for key, (job, steps) in list(running.items()):
                    assert job.process is not None
                    code = job.process.poll()
                    if code is None:
                        continue
                    self._finish(job, steps.pop(0), code)
                    if steps:
                        self._launch(job, steps[0])
                    else:
                        self._progress[key] = 1.0
                        del running[key]
                self._report([(job, steps[0]) for job, steps in running.values()], done_before)
        finally:
            for job, _ in running.values():
                if job.process is not None and job.process.poll() is None:
                    job.process.terminate()
        if sys.stdout.isatty():
            print()

    def _launch(self, job: Job, step: Step) -> None:
        log = open(job.folder / f"{step.name.replace(' ', '_')}.log", "a")
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }
        job.started = time.time()
        with log:
            job.process = subprocess.Popen(
                [sys.executable, *step.command],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment,
            )

    def _finish(self, job: Job, step: Step, code: int) -> None:
        log = job.folder / f"{step.name.replace(' ', '_')}.log"
        if code != 0 or not step.result.is_file():
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(
                f"{job.arm.key} (seed {job.seed}): '{step.name}' ended with code {code}. The end "
                f"of {log}:\n{tail}"
            )
        if step.name == "train":
            before = job.seconds()
            seconds = time.time() - job.started + (before if before == before else 0.0)
            (job.folder / "seconds.json").write_text(json.dumps(round(seconds, 1)))

    def _done(self) -> float:
        total = sum(job.weight for job in self.jobs)
        return sum(self._progress[id(job)] * job.weight for job in self.jobs) / total

    def _report(self, running: list[tuple[Job, Step]], done_before: float) -> None:
        words = []
        for job, step in running:
            shares = sum(s.share for s in job.steps())
            done = sum(s.share for s in job.steps() if s.result.is_file())
            name = f"{job.arm.key}" + (f" (seed {job.seed})" if job.seed else "")
            if step.name == "train":
                iteration = job.iteration()
                done = iteration / job.max_iters
                words.append(f"{name} {iteration}/{job.max_iters}")
            else:
                words.append(f"{name} {step.name}")
            self._progress[id(job)] = done / shares
        terminal = sys.stdout.isatty()
        if not terminal and time.time() - self._line < _LINE_SECONDS:
            return
        self._line = time.time()
        elapsed, done = time.time() - self._start, self._done()
        gained = done - done_before
        left = _duration(elapsed / gained * (1 - done)) if gained > 0.005 else "unknown yet"
        line = f"{100 * done:3.0f}%  {', '.join(words)}  time left: {left}"
        print(f"\r{line:<110}" if terminal else line, end="" if terminal else "\n", flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
