"""Check on import that the libraries are there and recent enough, and say what mends it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

#: The line that installs the maintained OpenMMLab family.
_FORKS = "pip install onedl-mmengine onedl-mmcv onedl-mmsegmentation"
#: What OpenCV's wheel needs from the system, and slim containers lack.
APT_LINE = "apt-get install -y libgl1 libglib2.0-0"


@dataclass(frozen=True)
class Requirement:
    """A library: its import name, the distributions that provide it, and the oldest version."""

    module: str
    distributions: tuple[str, ...]
    minimum: tuple[int, ...]
    remedy: str


REQUIREMENTS = (
    Requirement("torch", ("torch",), (2, 4), "pip install 'torch>=2.4'"),
    Requirement(
        "cv2",
        ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
        (4, 5),
        "pip install 'opencv-python>=4.5'",
    ),
    Requirement("mmengine", ("onedl-mmengine", "mmengine"), (0, 10, 4), _FORKS),
    Requirement("mmcv", ("onedl-mmcv", "mmcv"), (2, 0, 0), _FORKS),
    Requirement("mmseg", ("onedl-mmsegmentation", "mmsegmentation"), (1, 2, 2), _FORKS),
)


def check_dependencies(
    version_of: Callable[[str], str | None] | None = None,
    import_module: Callable[[str], object] = importlib.import_module,
) -> str:
    """Check every requirement of the package.

    Args:
        version_of: Returns a distribution's version, or None where it is not installed.
        import_module: Imports a module by its name.

    Returns:
        The OpenMMLab family found: ``'onedl'``, ``'openmmlab'`` or ``'mixed'``.

    Raises:
        ImportError: A library is missing, too old, or does not import; says which one, what was
            found and the line that mends it.
    """
    version_of = version_of or _installed_version
    families = set()
    for requirement in REQUIREMENTS:
        found = [(d, v) for d in requirement.distributions if (v := version_of(d)) is not None]
        wanted = ".".join(map(str, requirement.minimum))
        if not found:
            raise ImportError(
                f"mmasg needs {requirement.module} >= {wanted}, found none (looked for "
                f"{' or '.join(requirement.distributions)}). Install it by: {requirement.remedy}"
            )
        name, version = found[0]
        if _numbers(version) < requirement.minimum:
            raise ImportError(
                f"mmasg needs {requirement.module} >= {wanted}, found {name} {version}. Upgrade it "
                f"by: {requirement.remedy.replace('pip install', 'pip install -U')}"
            )
        if requirement.module.startswith("mm"):
            families.add("onedl" if name.startswith("onedl-") else "openmmlab")
    for requirement in REQUIREMENTS:
        try:
            import_module(requirement.module)
        except ImportError as error:
            raise ImportError(_broken(requirement, error)) from error
    return families.pop() if len(families) == 1 else "mixed"


def _broken(requirement: Requirement, error: ImportError) -> str:
    text = str(error)
    if re.search(r"lib(GL|gthread|glib)[\w.-]*\.so", text):
        return (
            f"mmasg: {requirement.module} does not import because the system lacks a library that "
            f"OpenCV's wheel needs ({text}). Install it by: {APT_LINE} (or use "
            "opencv-python-headless instead of opencv-python, never both)"
        )
    return (
        f"mmasg: {requirement.module} is installed but does not import ({text}). Install it anew "
        f"by: {requirement.remedy.replace('pip install', 'pip install --force-reinstall')}"
    )


def _installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])
