"""One arm trained with one seed and tested, step by step, each of them once."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mmasg.adaptation.self_training import ROUNDS
from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.commands.shipped_files import shipped
from mmasg.errors import did_you_mean, wrong
from mmasg.l2o.policy_file import policy_path

from .arms import Arm
from .results import LAST, Result
from .run_commands import train_command
from .train_log import read_progress, tail

#: What a test costs compared with the training, for the estimate of the time left.
_TEST_SHARE = 0.1


class RunFailedError(RuntimeError):
    """A command of a run ended with an error; says which, and the end of its log."""


class Run:
    """Train an arm with one seed, then test its checkpoints.

    Args:
        arm: What to train.
        seed: Seed of the run.
        out: Folder of the comparison; the run's work dir and its result file are below it.
        tests: ``{name: dataloader}``: on which of the config's dataloaders to test. Predictions
            of the first are kept.
        also_at: Iterations (epochs, where checkpoints are counted so) whose checkpoints are
            tested beside the last one.
        weight: Cost compared with other runs, for the estimate of the time left.
        keep_predictions: Whether the first test's predictions at the end are written.
        start: The run whose last checkpoint the training starts from. A config with
            ``self_training`` is trained in rounds then (``tools/self_train.py``).

    Raises:
        FileNotFoundError: The arm's config is not there.
        ValueError: The config lacks one of the dataloaders, or the checkpoints asked for cannot
            be.
    """

    def __init__(
        self,
        arm: Arm,
        seed: int,
        out: Path,
        tests: Mapping[str, str],
        also_at: Sequence[int] = (),
        weight: float = 1.0,
        keep_predictions: bool = True,
        start: Run | None = None,
    ) -> None:
        self.start = start
        self.arm, self.seed, self.tests, self.weight = arm, seed, dict(tests), weight
        self.also_at = sorted(set(also_at))
        self.keep_predictions = keep_predictions
        self.cfg = arm.read([f"randomness.seed={seed}"])
        for loader in self.tests.values():
            if self.cfg.get(loader) is None:
                have = [k for k in self.cfg if k.endswith("_dataloader")]
                hint = did_you_mean(loader, have).strip()
                raise ValueError(wrong(f"--tests ({arm.config})", loader, ", ".join(have), hint))
        self.name = f"{arm.key}_seed{seed}"
        self.folder = out / self.name
        self.result_file = out / "results" / f"{self.name}.json"
        self.predictions = self.folder / "predictions"
        self._checkpoint_options = self._keep_points()
        self._epochs = int(self.cfg.train_cfg.get("max_epochs") or 1)
        self._now = ""

    # -- what there is to do ------------------------------------------------------------------

    def settings(self) -> str:
        """A hash of everything that the run's numbers depend on but the code."""
        digest = hashlib.sha256(self.cfg.pretty_text.encode())
        for hook in self.cfg.get("custom_hooks") or []:
            if isinstance(hook.get("policy"), str):
                digest.update(policy_path(hook["policy"]).read_bytes())
        if self.start is not None:
            digest.update(self.start.settings().encode())
        return digest.hexdigest()

    def train_command(self) -> list[str]:
        """Arguments after the Python interpreter; goes on where an earlier call stopped."""
        start = None if self.start is None else self.start.checkpoint()
        rounds = self.cfg.get(ROUNDS) is not None
        options = [*self._options(), *self._checkpoint_options]
        return train_command(self.arm.config, self.folder, options, start, rounds)

    def checkpoint(self) -> Path:
        """The last checkpoint of a run that has been trained."""
        return self._checkpoint(LAST)

    def test_command(self, checkpoint: Path, loader: str, file: Path, keep: bool) -> list[str]:
        """Arguments after the Python interpreter of the test of one checkpoint."""
        command = [str(shipped("tools/test.py")), self.arm.config, str(checkpoint)]
        command += ["--work-dir", str(self.folder / "tests"), "--dataloader", loader]
        command += ["--json", str(file)]
        command += ["--out", str(self.predictions)] if keep else []
        return [*command, "--cfg-options", *self._options()]

    def todo(self) -> list[tuple[str, str, str]]:
        """The tests that have not been run: ``(point, name of the test, dataloader)``."""
        points = [str(at) for at in self.also_at] + [LAST]
        tests = [(p, name, loader) for p in points for name, loader in self.tests.items()]
        return [t for t in tests if not self._metrics_file(t[0], t[2]).is_file()]

    def finished(self) -> bool:
        """Whether there is nothing to do: trained with these very settings, and tested."""
        return self._stamp() == self.settings() and self._trained() and not self.todo()

    # -- doing it -----------------------------------------------------------------------------

    def complete(self, call: Callable[..., int]) -> None:
        """Train and test what has not been trained and tested.

        Args:
            call: ``call(command, log, tick)`` runs a command, calls ``tick(seconds)`` now and
                then with the seconds since the last call, and returns the exit code.

        Raises:
            RunFailedError: A command failed.
        """
        self._prepare()
        if not self._trained():
            self._now = "train"
            self._call(call, self.train_command(), "train", self._count)
            last = self.folder / "last_checkpoint"
            if not last.is_file():
                raise RunFailedError(
                    f"{self.name}: the training left no checkpoint in {self.folder}"
                )
            place = os.path.relpath(last.read_text().strip(), self.folder)
            inside = not place.startswith("..")  # a folder that was moved names its old place
            self._write_state(trained=place if inside else Path(place).name)
        for point, name, loader in self.todo():
            at = "" if point == LAST else f" at {point}"
            self._now = f"test {name}{at}"
            file = self._metrics_file(point, loader)
            fresh = file.with_suffix(".new")
            keep = (
                self.keep_predictions
                and point == LAST
                and loader == next(iter(self.tests.values()))
            )
            command = self.test_command(self._checkpoint(point), loader, fresh, keep)
            self._call(call, command, f"test_{loader}{at.replace(' ', '_')}")
            fresh.replace(file)
        self.write_result()
        self._tidy()

    def write_result(self) -> None:
        """Write what there is of the result."""
        metrics: dict[str, dict] = {}
        for point in [*map(str, self.also_at), LAST]:
            for loader in self.tests.values():
                file = self._metrics_file(point, loader)
                if file.is_file():
                    metrics.setdefault(point, {})[loader] = json.loads(file.read_text())
        before = Result.read(self.result_file) if self.result_file.is_file() else None
        result = Result(
            self.arm.name,
            self.arm.group,
            self.arm.title or self.arm.name,
            self.seed,
            self.arm.config,
            list(self.arm.options),
            self.settings(),
            str(self.folder),
            self.tests,
            self._state().get("seconds", math.nan),
            before.metrics if before and before.settings == self.settings() else {},
            self.arm.start,
        )
        for point, tests in metrics.items():
            result.metrics.setdefault(point, {}).update(tests)
        result.write(self.result_file)

    def fraction(self) -> float:
        """How much of the run is done, 0 to 1."""
        tests = (len(self.also_at) + 1) * len(self.tests)
        trained = 1.0
        if not self._trained():
            at = read_progress(self._log("train"))
            trained = (at.epoch - 1 + at.done / max(at.length, 1)) / self._epochs
        done = trained + _TEST_SHARE * (tests - len(self.todo()))
        return min(1.0, done / (1 + _TEST_SHARE * tests))

    def words(self) -> str:
        """What the run is at, for the progress line."""
        name = self.arm.key + (f" (seed {self.seed})" if self.seed else "")
        if self._now != "train":
            return f"{name} {self._now}"
        at = read_progress(self._log("train"))
        epoch = f"epoch {at.epoch}/{self._epochs}, " if self._epochs > 1 else ""
        return f"{name} {epoch}{at.done}/{at.length or self.cfg.train_cfg.get('max_iters', '?')}"

    # -- parts --------------------------------------------------------------------------------

    def _options(self) -> list[str]:
        return [*self.arm.options, f"randomness.seed={self.seed}"]

    def _keep_points(self) -> list[str]:
        """Options that make the training keep the checkpoints that are to be tested."""
        if not self.also_at:
            return []
        hook = (self.cfg.get("default_hooks") or {}).get("checkpoint") or {}
        key, interval = "default_hooks.checkpoint", int(hook.get("interval", -1))
        length = self.cfg.train_cfg.get("max_epochs" if hook.get("by_epoch", True) else "max_iters")
        if not hook or self.also_at[0] < 1 or (length and self.also_at[-1] >= length):
            raise ValueError(
                wrong(
                    f"--also-at ({self.arm.config})",
                    self.also_at,
                    f"1 to {length} (excluded), in the unit in which {key} counts"
                    if hook
                    else f"a config with {key}",
                )
            )
        interval = math.gcd(*self.also_at, *([interval] if interval > 0 else []))
        return [f"{key}.interval={interval}", f"{key}.max_keep_ckpts=-1"]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _metrics_file(self, point: str, loader: str) -> Path:
        return self.folder / f"metrics_{point}_{loader}.json"

    def _checkpoint(self, point: str) -> Path:
        last = self._state()["trained"]
        if point == LAST:
            return self.folder / last
        file = self.folder / f"{last.split('_')[0]}_{point}.pth"
        if not file.is_file():
            raise RunFailedError(
                f"{self.name}: there is no {file}; the run was trained without --also-at {point}. "
                f"Remove {self.folder} to train it anew, or leave that point out"
            )
        return file

    def _state(self) -> dict:
        file = self.folder / "state.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    def _write_state(self, **changes: object) -> None:
        state = json.dumps({**self._state(), **changes})
        write_atomically(state.encode(), self.folder / "state.json")

    def _stamp(self) -> str | None:
        return self._state().get("settings")

    def _trained(self) -> bool:
        return "trained" in self._state()

    def _count(self, seconds: float) -> None:
        self._write_state(seconds=round(self._state().get("seconds", 0.0) + seconds, 3))

    def _prepare(self) -> None:
        """Make the folder; what another config left there is moved aside."""
        if self.folder.exists() and self._stamp() != self.settings():
            aside = self.folder.with_name(f"{self.folder.name}.before")
            shutil.rmtree(aside, ignore_errors=True)
            self.folder.rename(aside)
            print(f"{self.folder}: results of other settings, moved to {aside.name}")
        if not self.folder.exists():
            self._write_state(settings=self.settings())

    def _call(self, call: Callable[..., int], command: list[str], name: str, tick=None) -> None:
        log = self._log(name)
        code = call(command, log, tick)
        if code != 0:
            end = "\n".join(tail(log).splitlines()[-15:])
            raise RunFailedError(
                f"{self.name}: '{self._now}' ended with code {code}. The end of {log}:\n{end}"
            )

    def _tidy(self) -> None:
        """Remove the checkpoints that only ``also_at``'s common divisor made."""
        if not self.also_at:
            return
        keep = {self._checkpoint(LAST), *(self._checkpoint(str(at)) for at in self.also_at)}
        for file in self.folder.glob("*.pth"):
            if file not in keep and re.fullmatch(r"(iter|epoch)_\d+\.pth", file.name):
                file.unlink()
