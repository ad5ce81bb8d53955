"""Tables of a sweep: an arm a row, a value of the setting a column."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .spread import Spread
from .sweep import Curve, values_of
from .tables import markdown_table, number


def sweep_table(
    found: Mapping[str, Curve], label: str, chosen_on: Mapping[str, Curve] | None = None
) -> str:
    """Return a Markdown table of means and sample standard deviations over seeds.

    Behind the values stands the mean over all of them (taken seed by seed), and the number at the
    value that was best on another test, so that nothing is chosen by what is reported. An arm that
    was run once has one number, that stands for every value.

    Args:
        found: Curves by arm.
        label: What the setting is called.
        chosen_on: The same arms' curves of the test by which a value is chosen. Defaults to
            none, and no such column.
    """
    values = values_of(found)
    head = ["", *(f"{label} {value:g}" for value in values), f"mean over {label}"]
    head += [f"{label} chosen on validation"] if chosen_on else []
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for name, curve in found.items():
        row = [curve.title, *(spread_cell(curve.at.get(value)) for value in values)]
        row.append(spread_cell(curve.over_values()))
        if chosen_on:
            best = chosen_on[name].best() if name in chosen_on else None
            cell = "" if best is None else f"{spread_cell(curve.at.get(best))} ({best:g})"
            row.append(cell)
        rows.append(row)
    return markdown_table(rows)


def gain_table(found: Mapping[str, Curve], reference: str, label: str) -> str:
    """Return a Markdown table of differences to one of the arms.

    Args:
        found: Curves by arm.
        reference: Name of the arm that the others are compared with.
        label: What the setting is called.
    """
    values = values_of(found)
    head = ["", *(f"{label} {value:g}" for value in values), f"mean over {label}"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for name, curve in found.items():
        if name == reference:
            continue
        gains = curve.minus(found[reference])
        mean = curve.over_values().minus(found[reference].over_values())
        cells = [gain_cell(gains.at.get(value)) for value in values]
        rows.append([curve.title, *cells, gain_cell(mean)])
    return markdown_table(rows)


def spread_cell(spread: Spread | None) -> str:
    """Mean and sample standard deviation; empty where nothing was run."""
    if spread is None or not spread.values:
        return ""
    sd = "" if math.isnan(spread.sd) else f" ± {number(spread.sd)}"
    return number(spread.mean) + sd


def gain_cell(spread: Spread | None) -> str:
    """Mean of differences, in brackets the standard error of it."""
    if spread is None or not spread.values:
        return ""
    error = "" if math.isnan(spread.sd) else f" ({number(spread.standard_error)})"
    return f"{spread.mean:+.2f}{error}"
