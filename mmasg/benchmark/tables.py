"""Tables of a comparison's results: over seeds, and over classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from prettytable import PrettyTable

from .results import LAST, Result, main_metric
from .spread import Spread, spreads

_TITLES = {"accuracy/mean": "mean accuracy"}


def metric_title(metric: str) -> str:
    """What a table calls a metric."""
    return _TITLES.get(metric, metric)


def spread_table(
    results: Sequence[Result],
    tests: Mapping[str, str],
    metric: str | None = None,
    reference: str | None = None,
    point: str = LAST,
) -> str:
    """Return a Markdown table: an arm a row, mean and sample standard deviation over seeds.

    The first test is shown seed by seed, with the difference to the reference arm: its mean and
    standard deviation over the seeds that both have, in brackets the standard error of that mean.

    Args:
        results: Results of one group, several seeds of each arm.
        tests: ``{name: dataloader}``.
        metric: Name of the metric. Defaults to mIoU or the mean accuracy.
        reference: Name of the arm that the others are compared with. Defaults to the first.
        point: When; ``'last'`` or the iteration.
    """
    first = next(iter(tests.values()))
    metric = metric or main_metric(results, first, point)
    reference = reference or results[0].name
    titles = {result.name: result.title for result in results}
    label = metric_title(metric)
    columns = {name: spreads(results, metric, loader, point) for name, loader in tests.items()}
    main = next(iter(columns.values()))
    seeds = sorted({result.seed for result in results})
    head = ["", *(f"seed {s}" for s in seeds), *(f"{label} {name}" for name in tests)]
    head.insert(len(seeds) + 2, "difference")
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for arm, values in main.items():
        row = [titles[arm], *(number(values.values.get(s, math.nan)) for s in seeds)]
        row += [mean_and_sd(by_arm[arm], len(seeds)) for by_arm in columns.values()]
        row.insert(len(seeds) + 2, "" if arm == reference else gain(values, main[reference]))
        rows.append(row)
    return markdown_table(rows)


def comparison_table(results: Sequence[Result], tests: Mapping[str, str]) -> str:
    """Return the table of one seed: a row a class, a column an arm, then means and seconds.

    Args:
        results: Results of one group and seed.
        tests: ``{name: dataloader}``; the classes are the first one's.
    """
    first = next(iter(tests.values()))
    metric = main_metric(results, first)
    classes = [result.classes(first) for result in results]
    table = PrettyTable(["", *(result.title for result in results)])
    table.align = "r"
    table.align[""] = "l"
    for name in dict.fromkeys(name for found in classes for name in found):
        table.add_row([name.replace("_", " "), *(number(c.get(name, math.nan)) for c in classes)])
    table.add_divider()
    for test, loader in tests.items():
        values = [number(result.value(metric, loader)) for result in results]
        table.add_row([f"{metric_title(metric)} {test}", *values])
    table.add_row(["seconds of training", *(f"{result.seconds:.0f}" for result in results)])
    return table.get_string()


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the second one the alignment, as Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def number(value: float) -> str:
    """Two decimals; a dash where there is no number."""
    return "-" if math.isnan(value) else f"{value:.2f}"


def mean_and_sd(values: Spread, seeds: int = 0) -> str:
    """Mean ± sample standard deviation; says of how many seeds where they are fewer."""
    few = f" (n = {len(values.values)})" if 0 < len(values.values) < seeds else ""
    return f"{number(values.mean)} ± {number(values.sd)}{few}"


def gain(values: Spread, reference: Spread) -> str:
    """Difference seed by seed: mean ± standard deviation (standard error); a dash for none."""
    differences = values.minus(reference)
    if not differences.values:
        return "-"
    mean, sd, error = differences.mean, differences.sd, differences.standard_error
    return f"{mean:+.2f} ± {number(sd)} ({number(error)})"
