"""Finds images that are in two splits: by path, behind links, or as copies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

from .files import Sample


def shared_images(one: Sequence[Sample], other: Sequence[Sample]) -> list[str]:
    """Finds the images of one split that another has as well.

    Links are followed, and a file of the same bytes under another name counts; only files of
    one size are read for it.

    Args:
        one: Samples of a split.
        other: Those of another.

    Returns:
        Paths of ``other``'s images that are ``one``'s, too, sorted.
    """
    known = {_real(sample) for sample in one}
    by_size: dict[int, list[str]] = {}
    for path in known:
        by_size.setdefault(_size(path), []).append(path)
    digests: dict[int, set[bytes]] = {}
    both = []
    for sample in other:
        path = _real(sample)
        size = _size(path)
        if path not in known and size > 0 and size in by_size:
            if size not in digests:
                digests[size] = {_digest(same) for same in by_size[size]}
            if _digest(path) not in digests[size]:
                continue
        elif path not in known:
            continue
        both.append(sample.image)
    return sorted(both)


def listed_twice(samples: Sequence[Sample]) -> Mapping[str, str]:
    """Finds files that a list has under two names, through links.

    Returns:
        The later name and the earlier one.
    """
    first: dict[str, str] = {}
    twice = {}
    for sample in samples:
        earlier = first.setdefault(_real(sample), sample.image)
        if earlier != sample.image:
            twice[sample.image] = earlier
    return twice


def _real(sample: Sample) -> str:
    return sample.image if sample.backend_args else os.path.realpath(sample.image)


def _size(path: str) -> int:
    """Size of a local file; -1 of any other, which is compared by name alone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _digest(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()
