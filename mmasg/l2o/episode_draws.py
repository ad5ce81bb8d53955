"""Trainings drawn from a distribution: what differs from one episode to another."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmasg.errors import wrong

_KINDS = ("choice", "log_uniform", "uniform", "subset")
_ALLOWED = f"a dict with one of {', '.join(_KINDS)}"


class EpisodeDraws:
    """Draw the entries of a training's config, the same ones whenever the same seed is asked for.

    Each factor is drawn by a generator of its own, keyed by the episode's seed and the factor's
    place in the list: what one draws does not depend on the others. Later factors act after
    earlier ones. A factor is a dict with one of

    - ``choice``: a list of dicts of overrides ``{dotted key: value}``, one of which is taken;
      under ``'draws'`` it may have a list of further factors of its own;
    - ``log_uniform`` or ``uniform``: ``(low, high)``, with ``keys``, a dotted key or
      ``{dotted key: factor}`` for values that go together, and ``integer=True`` to round them
      (to 1 at least);
    - ``subset``: ``(low, high)``, the log-uniform size of a random subset of ``of``, a list or the
      number n of 0, ..., n - 1, in their order, with ``keys``.

    Args:
        draws: The factors.

    Raises:
        ValueError: A factor of another form, an empty or reversed range.

    Example:
        >>> draws = EpisodeDraws([
        ...     dict(log_uniform=(60, 400), keys='train_cfg.max_iters', integer=True),
        ...     dict(choice=[{'train_dataloader.batch_size': n} for n in (2, 4)])])
        >>> sorted(draws(7))
        ['train_cfg.max_iters', 'train_dataloader.batch_size']
    """

    def __init__(self, draws: Sequence[Mapping[str, Any]]) -> None:
        self.draws = list(draws)
        for number, factor in enumerate(self.draws):
            _check(factor, f"draws[{number}]")

    def __call__(self, seed: int) -> dict[str, Any]:
        """The overrides of the episode with this seed, for ``Config.merge_from_dict``."""
        return _draw(self.draws, (seed,))


def _draw(draws: Sequence[Mapping[str, Any]], place: tuple[int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, factor in enumerate(draws):
        here = (*place, number)
        generator = np.random.default_rng(here)
        if "choice" in factor:
            number_taken = int(generator.integers(len(factor["choice"])))
            taken = copy.deepcopy(dict(factor["choice"][number_taken]))
            inner = taken.pop("draws", ())
            found.update(taken)
            found.update(_draw(inner, here))
            continue
        if "subset" in factor:
            size = round(_log_uniform(generator, factor["subset"]))
            members = _members(factor["of"])
            places = sorted(generator.permutation(len(members))[:size].tolist())
            value: Any = [members[place] for place in places]
        elif "log_uniform" in factor:
            value = _log_uniform(generator, factor["log_uniform"])
        else:
            value = float(generator.uniform(*factor["uniform"]))
        keys = factor["keys"]
        for key, scale in keys.items() if isinstance(keys, Mapping) else [(keys, None)]:
            scaled = value if scale is None else value * scale
            found[key] = max(1, round(scaled)) if factor.get("integer") else scaled
    return found


def _log_uniform(generator: np.random.Generator, ends: Sequence[float]) -> float:
    low, high = map(math.log, ends)
    return math.exp(generator.uniform(low, high))


def _check(factor: Any, key: str) -> None:
    kinds = [kind for kind in _KINDS if isinstance(factor, Mapping) and kind in factor]
    if len(kinds) != 1:
        raise ValueError(wrong(key, factor, _ALLOWED))
    kind = kinds[0]
    known = {kind, *dict(choice=(), subset=("keys", "of")).get(kind, ("keys", "integer"))}
    needed = known - {"integer"}
    if set(factor) - known or needed - set(factor):
        raise ValueError(
            wrong(key, sorted(factor), f"{', '.join(sorted(known))} beside each other")
        )
    if kind == "choice":
        entries = factor["choice"]
        good = isinstance(entries, Sequence) and not isinstance(entries, str) and len(entries) > 0
        if not good or not all(isinstance(entry, Mapping) for entry in entries):
            raise ValueError(wrong(f"{key}.choice", entries, "a list of dicts of overrides"))
        for number, entry in enumerate(entries):
            for inner, nested in enumerate(entry.get("draws", ())):
                _check(nested, f"{key}.choice[{number}].draws[{inner}]")
        return
    ends = factor[kind]
    good = isinstance(ends, Sequence) and len(ends) == 2 and ends[0] <= ends[1]
    if not good or (kind != "uniform" and not ends[0] > 0):
        allowed = "(low, high)" + (", both above 0" if kind != "uniform" else "")
        raise ValueError(wrong(f"{key}.{kind}", ends, allowed))
    if kind == "subset" and ends[1] > len(_members(factor["of"])):
        allowed = f"sizes up to {len(_members(factor['of']))}, as there are in its `of`"
        raise ValueError(wrong(f"{key}.subset", ends, allowed))


def _members(of: int | Sequence[int]) -> Sequence[int]:
    return range(of) if isinstance(of, int) else of
