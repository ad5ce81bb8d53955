"""Hand-set rates chosen by the target's own labels, which no user has, against arms as they are."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmasg.errors import wrong

from .arms import Arm
from .comparison import Comparison
from .results import Result, main_metric
from .spread import Spread, spreads
from .sweep import RATE, sweep_arms, swept_value
from .sweep_tables import gain_cell, spread_cell
from .tables import markdown_table, metric_title, number

_BODY = "optim_wrapper.paramwise_cfg.lr_mult"


def oracle_arms(
    config: str, rates: Sequence[str], bodies: Sequence[str], against: Mapping[str, str]
) -> list[Arm]:
    """Return the hand-set arms, each base rate with each multiplier of the body, and the others.

    Args:
        config: A config whose layer groups come from a preset.
        rates: Base rates.
        bodies: Multipliers of every group but the last.
        against: ``{name: config}`` of what is compared with the best of them.

    Raises:
        ValueError: The config has no preset, so one ``lr_mult`` does not say the body's rate.
    """
    hand = Arm("hand-set", config, "hand-set")
    paramwise = (hand.read().get("optim_wrapper") or {}).get("paramwise_cfg") or {}
    if "preset" not in paramwise:
        remedy = "With groups=[...] write the sweep out as --name-option of compare_arms.py."
        raise ValueError(
            wrong(f"{config}: optim_wrapper.paramwise_cfg", dict(paramwise), "a preset", remedy)
        )
    grid = sweep_arms(sweep_arms([hand], RATE, rates), _BODY, bodies)
    return [*grid, *(Arm(name, file, name) for name, file in against.items())]


def write_oracle(comparison: Comparison, metric: str | None = None) -> list[Path]:
    """Print the grid and the table against its best cell; write both as Markdown and JSON.

    Args:
        comparison: Its arms are of :func:`oracle_arms`; its first test is what a cell is chosen
            by, and what is reported.
        metric: Name of the metric. Defaults to mIoU or the mean accuracy.

    Returns:
        The files.

    Raises:
        FileNotFoundError: There are no results of the hand-set arms.
    """
    test, loader = next(iter(comparison.tests.items()))
    results = comparison.results()
    metric = metric or main_metric(results, loader)
    cells, others = _cells(results), {}
    for name, spread in spreads(results, metric, loader).items():
        if name in cells:
            cells[name] = (*cells[name][:2], spread)
        else:
            others[name] = spread
    whole = {(rate, body): s for rate, body, s in cells.values() if s is not None and s.values}
    # A cell of fewer seeds than others is still being run.
    most = max((len(s.values) for s in whole.values()), default=0)
    grid = {cell: s for cell, s in whole.items() if len(s.values) == most}
    if not grid:
        raise FileNotFoundError(f"no results of hand-set arms below {str(comparison.out)!r}")
    best = max(grid, key=lambda cell: grid[cell].mean)
    score = f"{metric_title(metric)} ({test})"
    lines = [f"{score}, hand-set: a base rate a column, the body's multiplier a row.", ""]
    lines += [_grid_table(grid, best), ""]
    lines += [_against_table(grid, best, others, score)]
    text = "\n".join(lines)
    print(f"\n{text}\n")
    numbers = dict(
        score=score,
        grid={f"lr={r:g},body={b:g}": s.as_dict() for (r, b), s in grid.items()},
        best=dict(lr=best[0], body=best[1]),
        against={
            name: dict(s.as_dict(), difference=s.minus(grid[best]).as_dict())
            for name, s in others.items()
        },
    )
    files = [Path(comparison.out) / f"oracle{suffix}" for suffix in (".md", ".json")]
    files[0].write_text(text + "\n", encoding="utf-8")
    files[1].write_text(json.dumps(numbers, indent=1))
    for file in files:
        print(f"written: {file}")
    return files


def _cells(results: Sequence[Result]) -> dict[str, tuple[float, float, Spread | None]]:
    found: dict[str, tuple[float, float, Spread | None]] = {}
    for result in results:
        rate, body = swept_value(result, RATE), swept_value(result, _BODY)
        if rate is not None and body is not None:
            found[result.name] = (float(rate), float(body), None)
    return found


def _grid_table(grid: Mapping[tuple[float, float], Spread], best: tuple[float, float]) -> str:
    rates, bodies = (sorted({cell[i] for cell in grid}) for i in (0, 1))
    shown = {
        cell: f"**{spread_cell(grid.get(cell))}**" if cell == best else spread_cell(grid.get(cell))
        for cell in itertools.product(rates, bodies)
    }
    rows = [["body x", *(f"{rate:g}" for rate in rates)], ["---:"] * (len(rates) + 1)]
    rows += [[f"{body:g}", *(shown[rate, body] for rate in rates)] for body in reversed(bodies)]
    return markdown_table(rows)


def _against_table(
    grid: Mapping[tuple[float, float], Spread],
    best: tuple[float, float],
    others: Mapping[str, Spread],
    score: str,
) -> str:
    oracle = grid[best]
    title = (
        f"hand-set, the best of {len(grid)} by the target's labels (an oracle no user has): "
        f"{best[0]:g}, body x {best[1]:g}"
    )
    seeds = sorted({seed for s in (oracle, *others.values()) for seed in s.values})
    head = ["", *(f"seed {seed}" for seed in seeds), score, "difference to the oracle"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for name, spread in ((title, oracle), *((f"{n}, as it is", s) for n, s in others.items())):
        cells = [number(spread.values.get(seed, float("nan"))) for seed in seeds]
        gain = "" if spread is oracle else gain_cell(spread.minus(oracle))
        rows.append([name, *cells, spread_cell(spread), gain])
    return markdown_table(rows)
