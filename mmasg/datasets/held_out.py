"""A part of a data set that is held out, the same one whoever asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mmasg.errors import wrong

PARTS = ("train", "held_out")


def check_held_out(part: str | None, share: float, who: str) -> None:
    """Checks the arguments that name a part.

    Args:
        part: ``'train'``, ``'held_out'`` or None (everything).
        share: Share that is held out.
        who: The class that takes the arguments, for the message.

    Raises:
        ValueError: They are something else.
    """
    if part is not None and part not in PARTS:
        raise ValueError(wrong(f"{who}.part", part, f"one of {list(PARTS)}, or None for all"))
    if not 0 < share < 1:
        raise ValueError(wrong(f"{who}.held_out", share, "a share between 0 and 1"))


def held_out_names(names: Iterable[str], share: float, seed: int = 0) -> set[str]:
    """Chooses a share of some names by a hash of each.

    Names are ranked by the SHA-256 of seed and name, and the first are taken. So the choice does
    not depend on the names' order, on the machine or on a library's generator, and a name that
    is added or removed changes the choice by one at most.

    Args:
        names: The names, such as paths relative to the data set's root.
        share: Share to take, rounded; at least one name, and all but one at most.
        seed: Another seed gives another choice. Default 0.

    Returns:
        The names taken.
    """
    ranked = sorted(
        set(names), key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
    )
    count = min(max(round(share * len(ranked)), 1), max(len(ranked) - 1, 0))
    return set(ranked[:count])
