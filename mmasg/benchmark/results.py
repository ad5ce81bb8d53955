"""What a run came to, in a small JSON file; tables are made from these files alone."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmasg.checkpoint.atomic_files import write_atomically
from mmasg.errors import did_you_mean, wrong

#: The point of a run that counts unless another one is asked for.
LAST = "last"
#: Metric of the main table, the first that a test has.
MAIN_METRICS = ("mIoU", "accuracy/mean")
#: How the single classes' metrics begin, and what stands under the same name for all of them.
_CLASS_PREFIXES = {"mIoU": "IoU/", "accuracy/mean": "accuracy/"}
_NOT_CLASSES = ("mean", "overall")


@dataclass
class Result:
    """One arm trained with one seed.

    Args:
        name: Name of the arm.
        group: Group of the arm, empty where there is one only.
        title: What tables call the arm.
        seed: Seed of the run.
        config: The config file.
        options: Settings that override the config's.
        settings: Hash of everything that the numbers depend on but the code.
        folder: Work dir of the run.
        tests: ``{name: dataloader}`` of what was tested on; the first counts most.
        seconds: How long the training took, all its resumed parts together.
        metrics: ``{point: {dataloader: {metric: value}}}``; a point is ``'last'`` or the
            iteration (epoch) of an earlier checkpoint.
        start: Name of the arm that it started from; empty for none.
    """

    name: str
    group: str
    title: str
    seed: int
    config: str
    options: list[str]
    settings: str
    folder: str
    tests: dict[str, str] = field(default_factory=dict)
    seconds: float = math.nan
    metrics: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    start: str = ""

    def write(self, file: Path) -> None:
        """Write the file, whole or not at all."""
        write_atomically(json.dumps(asdict(self), indent=1).encode(), file)

    @classmethod
    def read(cls, file: Path) -> Result:
        """Read a file that :meth:`write` wrote.

        Raises:
            ValueError: It is another kind of file.
        """
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (TypeError, json.JSONDecodeError):
            raise ValueError(
                f"{file}: it is no result of a comparison. Remove it and run the comparison again"
            ) from None

    def of(self, loader: str, point: str = LAST) -> dict[str, float]:
        """Metrics of a test; empty where it has not been run."""
        return self.metrics.get(point, {}).get(loader, {})

    def value(self, metric: str, loader: str, point: str = LAST) -> float:
        """One metric of a test, NaN where the test has not been run.

        Args:
            metric: Its name, or the end of its name after a ``/`` where only one ends so.
            loader: The dataloader that was tested on.
            point: When.

        Raises:
            ValueError: The test has no such metric, or several.
        """
        metrics = self.of(loader, point)
        if not metrics or metric in metrics:
            return metrics.get(metric, math.nan)
        ends = [name for name in metrics if name.endswith(f"/{metric}")]
        if len(ends) != 1:
            hint = f"{len(ends)} end so." if ends else did_you_mean(metric, metrics).strip()
            names = ", ".join(n for n in metrics if not n.startswith(("IoU/", "Acc/")))
            raise ValueError(wrong(f"metric of {self.name} on {loader}", metric, names, hint))
        return metrics[ends[0]]

    def classes(self, loader: str, point: str = LAST) -> dict[str, float]:
        """``{class: percent}`` of a test's single classes."""
        prefix = _CLASS_PREFIXES.get(main_metric([self], loader, point), "IoU/")
        found = {k.split(prefix)[-1]: v for k, v in self.of(loader, point).items() if prefix in k}
        return {k: v for k, v in found.items() if k not in _NOT_CLASSES}


def read_results(folder: Path) -> list[Result]:
    """Return all results of a comparison, by the files' names.

    Args:
        folder: The comparison's folder; the files are in its ``results``.
    """
    return [Result.read(file) for file in sorted((folder / "results").glob("*.json"))]


def main_metric(results: Sequence[Result], loader: str, point: str = LAST) -> str:
    """Name of the metric that a table shows where none is asked for.

    Raises:
        ValueError: Neither mIoU nor the mean accuracy is there.
    """
    names = list(dict.fromkeys(name for r in results for name in r.of(loader, point)))
    for metric in MAIN_METRICS:
        if any(n == metric or n.endswith(f"/{metric}") for n in names):
            return metric
    if not names:
        return MAIN_METRICS[0]
    raise ValueError(
        f"--metrics: neither {' nor '.join(MAIN_METRICS)} is among what was measured on {loader}; "
        f"name one of {', '.join(names)}"
    )
