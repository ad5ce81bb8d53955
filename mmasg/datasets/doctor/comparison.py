"""Compares how often classes are in the source and in a target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FACTOR = 20


def compare_shares(
    source: Mapping[str, int], target: Mapping[str, int], name: str = "train"
) -> list[str]:
    """Calls out classes that are on one side only, or far rarer on one.

    Args:
        source: Pixels (or images) of every class of the source, after all mapping.
        target: Those of the target.
        name: How the source is called in the texts.

    Returns:
        Texts, none where the shares of all classes differ by less than a factor of 20.
    """
    ours, theirs = sum(source.values()), sum(target.values())
    if not ours or not theirs:
        return []
    texts = []
    other = [cls for cls in target if cls not in source] + [c for c in source if c not in target]
    if other:
        texts.append(f"classes that only one of {name} and this has: {', '.join(other)}")
    both = [cls for cls in source if cls in target]
    here = [cls for cls in both if target[cls] and not source[cls]]
    there = [cls for cls in both if source[cls] and not target[cls]]
    if here:
        texts.append(f"{len(here)} classes do not occur in {name}, but here: {', '.join(here)}")
    if there:
        texts.append(f"{len(there)} classes occur in {name}, but not here: {', '.join(there)}")
    far = []
    for cls in both:
        if source[cls] and target[cls]:
            ratio = (target[cls] / theirs) / (source[cls] / ours)
            if not 1 / FACTOR < ratio < FACTOR:
                times = f"{np.exp(abs(np.log(ratio))):.0f} times"
                far.append(f"{cls} ({times} {'more' if ratio > 1 else 'less'} here)")
    if far:
        texts.append(f"{len(far)} classes differ from {name} by a factor of {FACTOR}: "
                     f"{', '.join(far)}")  # fmt: skip
    return texts
