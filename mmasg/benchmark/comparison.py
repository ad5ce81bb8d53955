"""A comparison as a whole: its runs, then its tables and pictures."""

from __future__ import annotations

import json
import platform
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from mmasg.errors import did_you_mean, wrong

from .arm_bars import plot_arm_bars
from .arms import Arm
from .pictures import write_pictures
from .pool import run_all
from .results import LAST, Result, main_metric, read_results
from .runs import Run
from .spread import Spread, spreads
from .tables import metric_title, spread_table


class Comparison:
    """Arms over seeds: what has not been run is run, and all of it reported.

    Args:
        out: Folder of runs, results, tables and pictures.
        tests: ``{name: dataloader}`` of what is tested on; the first counts most.
        arms: What is compared.
        seeds: Seeds of every arm.
        also_at: Earlier points of the trainings that are tested, too.
        weights: ``{group: cost}``, for the estimate of the time left.
    """

    def __init__(
        self,
        out: str | Path,
        tests: Mapping[str, str],
        arms: Sequence[Arm],
        seeds: Sequence[int],
        also_at: Sequence[int] = (),
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.out, self.tests = Path(out), dict(tests)
        self.arms, self.seeds = list(arms), list(seeds)
        self.points = [*map(str, sorted(set(also_at))), LAST]
        self.weights = weights or {}
        self._made: dict[tuple[Arm, int], Run] = {}

    @classmethod
    def found(cls, out: str | Path) -> Comparison:
        """The comparison that a folder has results of, whatever their settings.

        Raises:
            FileNotFoundError: It has none.
        """
        results = read_results(Path(out))
        if not results:
            raise FileNotFoundError(
                f"no results below {str(Path(out) / 'results')!r}: run the comparison first"
            )
        arms = [Arm(r.name, r.config, r.title, tuple(r.options), r.group, r.start) for r in results]
        tests = {name: loader for result in results for name, loader in result.tests.items()}
        points = {int(p) for result in results for p in result.metrics if p != LAST}
        seeds = sorted({result.seed for result in results})
        return cls(out, tests, list(dict.fromkeys(arms)), seeds, sorted(points))

    def run(self, workers: int | None = None, threads: int = 1) -> list[str]:
        """Train and test what has not been, all arms of the first seed first.

        Arms that others start from have to come before them.

        Returns:
            What went wrong; see :func:`mmasg.benchmark.pool.run_all`.
        """
        runs = [self._run(arm, seed) for seed in self.seeds for arm in self.arms]
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the children
        try:
            return run_all(runs, workers, threads)
        finally:
            signal.signal(signal.SIGTERM, before)

    def results(self) -> list[Result]:
        """What there is of these arms and seeds, in their order; says what is missing or old.

        Raises:
            FileNotFoundError: There is nothing.
        """
        there = {(r.group, r.name, r.seed): r for r in read_results(self.out)}
        found = []
        for arm in self.arms:
            for seed in self.seeds:
                result = there.get((arm.group, arm.name, seed))
                if result is None:
                    print(f"{arm.key}, seed {seed}: no result")
                    continue
                found.append(result)
                if (
                    Path(arm.config).is_file()
                    and self._run(arm, seed).settings() != result.settings
                ):
                    print(f"{arm.key}, seed {seed}: the result is of other settings than today's")
        if not found:
            raise FileNotFoundError(
                f"no results of these arms below {str(self.out / 'results')!r}: run them first"
            )
        return found

    def groups(self) -> dict[str, list[Result]]:
        """The results by group."""
        found: dict[str, list[Result]] = {}
        for result in self.results():
            found.setdefault(result.group, []).append(result)
        return found

    def report(self, metrics: Sequence[str] = (), reference: str | None = None) -> None:
        """Print the tables; write them as Markdown and JSON, and the pictures.

        Args:
            metrics: Names of the metrics. Defaults to mIoU or the mean accuracy.
            reference: Name of the arm that the others are compared with. Defaults to the first
                of each group.

        Raises:
            FileNotFoundError: There are no results.
            ValueError: No such metric, or no such arm.
        """
        groups = self.groups()
        names = [result.name for members in groups.values() for result in members]
        if reference is not None and reference not in names:
            hint = did_you_mean(reference, names).strip()
            raise ValueError(wrong("--reference", reference, ", ".join(dict.fromkeys(names)), hint))
        lines = [self._setting(groups)]
        panels: dict[str, dict[str, Spread]] = {}
        numbers = {}
        test, loader = next(iter(self.tests.items()))
        for group, members in groups.items():
            base = next((r.name for r in members if r.name == reference), members[0].name)
            for metric in metrics or [main_metric(members, loader)]:
                for point in self.points:
                    at = "" if point == LAST else f"at {point}"
                    title = ", ".join(filter(None, [group, metric_title(metric), at]))
                    table = spread_table(members, self.tests, metric, base, point)
                    lines += ["", f"**{title}**; difference to {base}", "", table]
                    numbers[title] = self._numbers(members, metric, base, point)
                titles = {result.name: result.title for result in members}
                of_arms = spreads(members, metric, loader)
                panels[f"{title}, {test}"] = {titles[arm]: s for arm, s in of_arms.items()}
        text = "\n".join(lines)
        print(f"\n{text}\n")
        files = [self.out / f"comparison{suffix}" for suffix in (".md", ".json", ".png")]
        files[0].write_text(text + "\n", encoding="utf-8")
        files[1].write_text(json.dumps(dict(setting=lines[0], tables=numbers), indent=1))
        plot_arm_bars(panels, files[2])
        for file in [*files, *self.pictures(groups)]:
            print(f"written: {file}")

    def _run(self, arm: Arm, seed: int) -> Run:
        """The run of an arm and seed, the same one whenever it is asked for."""
        if (arm, seed) not in self._made:
            self._made[arm, seed] = Run(
                arm,
                seed,
                self.out,
                self.tests,
                [int(point) for point in self.points if point != LAST],
                self.weights.get(arm.group, 1.0),
                keep_predictions=seed == self.seeds[0],
                start=self._run(self._start(arm), seed) if arm.start else None,
            )
        return self._made[arm, seed]

    def _start(self, arm: Arm) -> Arm:
        known = [other.name for other in self.arms if other.group == arm.group]
        if arm.start not in known:
            raise ValueError(
                wrong(f"start of {arm.name}", arm.start, ", ".join(known), "Run it as well.")
            )
        return next(a for a in self.arms if (a.group, a.name) == (arm.group, arm.start))

    def _setting(self, groups: Mapping[str, Sequence[Result]]) -> str:
        seeds = sorted({result.seed for members in groups.values() for result in members})
        return (
            f"Seeds {', '.join(map(str, seeds))}; {platform.machine()}, torch {torch.__version__}; "
            f"`python {shlex.join(sys.argv)}`. Mean ± sample standard deviation over the seeds; "
            "the difference is taken seed by seed, in brackets the standard error of its mean."
        )

    def _numbers(
        self, members: Sequence[Result], metric: str, base: str, point: str
    ) -> dict[str, dict]:
        """What the table says, ``{test: {arm: numbers}}``."""
        numbers: dict[str, dict] = {}
        for test, loader in self.tests.items():
            of_arms = spreads(members, metric, loader, point)
            numbers[test] = {
                arm: dict(spread.as_dict(), difference=spread.minus(of_arms[base]).as_dict())
                for arm, spread in of_arms.items()
            }
        return numbers

    def pictures(self, groups: Mapping[str, Sequence[Result]]) -> list[Path]:
        """Write the pictures of every group's first seed."""
        files = []
        for members in groups.values():
            seed = members[0].seed
            files += write_pictures([r for r in members if r.seed == seed], self.tests, self.out)
        return files
