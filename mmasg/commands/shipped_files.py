"""Where configs and tools lie: in a clone, or in the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Return the path of a file or folder that comes with mmasg.

    Args:
        name: ``'configs/...'`` or ``'tools/...'``, as in a clone of the repository.

    Raises:
        FileNotFoundError: It is neither beside the package (a clone) nor in it (a wheel).
    """
    for root in (_PACKAGE.parent, _PACKAGE / ".mim"):
        # Other packages bring a folder of that name into site-packages, too.
        if (root / "tools" / "dist_train.sh").is_file() and (root / name).exists():
            return root / name
    raise FileNotFoundError(
        f"{name}: it comes with mmasg, and is neither in {str(_PACKAGE.parent)!r} nor in "
        f"{str(_PACKAGE / '.mim')!r}. Install mmasg anew, or run from a clone"
    )
