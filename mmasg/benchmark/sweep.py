"""One setting at several values, for several arms: what is trained, and the curves of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mmasg.errors import did_you_mean, wrong

from .arms import Arm, parse_options
from .results import Result
from .spread import Spread, spreads

#: The setting that is swept unless another one is named.
RATE = "optim_wrapper.optimizer.lr"


def sweep_arms(
    arms: Iterable[Arm], key: str, values: Sequence[str], once: Sequence[str] = ()
) -> list[Arm]:
    """Return every arm with every value of a setting.

    Args:
        arms: What is compared.
        key: The setting's config key.
        values: Its values, as they would be typed.
        once: Names of arms that are left as they are, since the setting is nothing to them.

    Raises:
        ValueError: No values, one twice or one that is no number; a name in ``once`` that there
            is not.
    """
    arms = list(arms)
    for text in values:
        if _number(text) is None or [_number(v) for v in values].count(_number(text)) > 1:
            raise ValueError(wrong("--values", text, "numbers, each once"))
    if not values:
        raise ValueError(wrong("--values", [], "at least one number"))
    names = [arm.name for arm in arms]
    for name in once:
        if name not in names:
            hint = did_you_mean(name, names).strip()
            raise ValueError(wrong("--once", name, ", ".join(names), hint))
    made = []
    for arm in arms:
        for value in () if arm.name in once else values:
            end = _end(key, value)
            made.append(
                dataclasses.replace(
                    arm,
                    name=arm.name + end,
                    title=(arm.title or arm.name) + end,
                    options=(*arm.options, f"{key}={value}"),
                )
            )
        if arm.name in once:
            made.append(arm)
    return made


@dataclass
class Curve:
    """A metric of one arm at every value of the setting.

    Args:
        title: What tables call the arm.
        at: ``{value: numbers of the seeds}``; empty for an arm that was run once.
        once: Numbers of an arm without the setting.
    """

    title: str
    at: dict[float, Spread] = field(default_factory=dict)
    once: Spread | None = None

    def over_values(self) -> Spread:
        """Mean over the values, of the seeds that have them all; of one run once, as it is."""
        if self.once is not None:
            return self.once
        columns = [spread.values for spread in self.at.values()] or [{}]
        seeds = set(columns[0]).intersection(*columns[1:])
        return Spread({s: sum(c[s] for c in columns) / len(columns) for s in sorted(seeds)})

    def best(self) -> float | None:
        """The value of the largest mean; None where there is nothing to choose from."""
        means = {value: spread.mean for value, spread in self.at.items() if spread.values}
        return max(means, key=means.__getitem__) if means else None

    def minus(self, other: Curve) -> Curve:
        """Differences seed by seed, at the values that both have; of once-run arms at all."""
        if self.once is not None and other.once is not None:
            return Curve(self.title, once=self.once.minus(other.once))
        pairs = {value: (self._of(value), other._of(value)) for value in {**self.at, **other.at}}
        found = {v: a.minus(b) for v, (a, b) in pairs.items() if a is not None and b is not None}
        return Curve(self.title, found)

    def as_dict(self) -> dict:
        """All numbers for a JSON file."""
        at = {f"{value:g}": spread.as_dict() for value, spread in self.at.items()}
        return dict(title=self.title, at=at, mean=self.over_values().as_dict())

    def _of(self, value: float) -> Spread | None:
        return self.once if self.once is not None else self.at.get(value)


def curves(results: Sequence[Result], key: str, metric: str, loader: str) -> dict[str, Curve]:
    """Return the curves of one group's results, by the arms' names without the value.

    Args:
        results: Results of :func:`sweep_arms`' arms, of one group.
        key: The setting's config key.
        metric: Name of the metric.
        loader: The dataloader that was tested on.
    """
    titles = {result.name: result for result in results}
    found: dict[str, Curve] = {}
    for name, spread in spreads(results, metric, loader).items():
        result = titles[name]
        value = swept_value(result, key)
        end = "" if value is None else _end(key, value)
        title = result.title.removesuffix(end)
        curve = found.setdefault(name.removesuffix(end), Curve(title))
        if value is None:
            curve.once = spread
        else:
            curve.at[float(value)] = spread
    for curve in found.values():
        curve.at = dict(sorted(curve.at.items()))
    return found


def swept_value(result: Result, key: str) -> str | None:
    """Return the value of a setting that a result was made with, as it was typed.

    None where its options do not say it: it is then the config's own.
    """
    texts = [o.partition("=")[2] for o in result.options if o.partition("=")[0] == key]
    return texts[-1] if texts and _number(texts[-1]) is not None else None


def values_of(curves: Mapping[str, Curve]) -> list[float]:
    """All values at which any of the curves has something."""
    return sorted({value for curve in curves.values() for value in curve.at})


def _end(key: str, value: str) -> str:
    return f",{key.rsplit('.', 1)[-1]}={value}"


def _number(text: str) -> float | None:
    value = parse_options([f"x={text}"])["x"]
    return float(value) if isinstance(value, (int, float)) else None
