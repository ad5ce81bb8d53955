"""Does a better start give a better end? Ways from several starts, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .arms import Arm, make_arms
from .results import Result
from .spread import Spread, spreads
from .tables import gain, markdown_table, mean_and_sd


def adaptation_arms(
    starts: Sequence[str],
    ways: Sequence[str],
    others: Sequence[str] = (),
    options: Sequence[str] = (),
) -> list[Arm]:
    """Return the arms of a comparison: the starts, every way from every start, and others.

    Arms are called by what the names of their files do not share.

    Args:
        starts: Configs trained on the source, ``FILE`` or ``NAME=FILE``.
        ways: Configs that go on from a start's checkpoint.
        others: Configs on their own, such as the ceiling.
        options: ``KEY=VALUE`` for every arm.

    Raises:
        ValueError: Two arms of one name.
    """
    alone = make_arms(_short([*starts, *others]), common=options)
    begun, rest = alone[: len(starts)], alone[len(starts) :]
    further = [
        Arm(f"{start.name},{way.name}", way.config, f"{start.name}, {way.name}", way.options,
            start=start.name)
        for start in begun
        for way in make_arms(_short(ways), common=options)
    ]  # fmt: skip
    return [*begun, *further, *rest]


def _short(configs: Sequence[str]) -> list[str]:
    """Name configs by what their files' names do not share, unless one is named already."""
    stems = [Path(config).stem for config in configs]
    shared = os.path.commonprefix(stems)
    shared = shared[: shared.rfind("_") + 1]
    if any("=" in config for config in configs) or len(configs) < 2:
        return list(configs)
    return [f"{s.removeprefix(shared)}={c}" for s, c in zip(stems, configs, strict=True)]


def start_table(results: Sequence[Result], starts: Sequence[str], metric: str, loader: str) -> str:
    """Return a Markdown table: a way a row, where it ends from every start a column.

    Then the differences between the starts, way by way, and what each way gains over its start:
    seed by seed, mean ± standard deviation, in brackets the standard error of the mean.

    Args:
        results: Results of one group.
        starts: Names of the arms that were started from, two or more to compare.
        metric: Name of the metric.
        loader: The dataloader tested on.
    """
    values = spreads(results, metric, loader)
    nothing = Spread({})
    found = {r.name: r.start for r in results if r.start in starts}
    ways = list(dict.fromkeys(name.removeprefix(f"{start},") for name, start in found.items()))
    head = ["", *starts, *(f"{start} - {starts[0]}" for start in starts[1:])]
    head += [f"gain from {start}" for start in starts]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    begun = [values.get(start, nothing) for start in starts]
    for way in ["", *ways]:
        ends = [values.get(f"{start},{way}", nothing) for start in starts] if way else begun
        row = [way or "the start", *(mean_and_sd(end) for end in ends)]
        row += [gain(end, ends[0]) for end in ends[1:]]
        row += [gain(end, own) if way else "" for end, own in zip(ends, begun, strict=True)]
        rows.append(row)
    for name in (n for n in values if n not in starts and n not in found):
        rows.append([name, mean_and_sd(values[name]), *[""] * (len(head) - 2)])
    return markdown_table(rows)
