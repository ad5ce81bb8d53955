"""Check on import that the libraries are there and recent enough, and say what mends it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module, metadata
from types import ModuleType

#: The line that installs the maintained OpenMMLab family.
_FORKS = "pip install onedl-mmengine onedl-mmcv onedl-mmsegmentation"
#: What OpenCV's wheel needs from the system, and slim containers lack.
APT_LINE = "apt-get install -y libgl1 libglib2.0-0"


@dataclass(frozen=True)
class Requirement:
    """A library: its import name, the oldest version, and what installs it.

    Which distribution provides the module (a fork, a build from source, one without the parts
    that nobody asked for) is nobody's business as long as it imports.
    """

    module: str
    minimum: tuple[int, ...]
    remedy: str


REQUIREMENTS = (
    Requirement("torch", (2, 4), "pip install 'torch>=2.4'"),
    Requirement("cv2", (4, 5), "pip install 'opencv-python>=4.5'"),
    Requirement("mmengine", (0, 10, 4), _FORKS),
    Requirement("mmcv", (2, 0, 0), _FORKS),
    Requirement("mmseg", (1, 2, 2), _FORKS),
)


def check_dependencies() -> str:
    """Check every requirement of the package.

    Returns:
        The OpenMMLab family found: ``'onedl'``, ``'openmmlab'`` or ``'mixed'``.

    Raises:
        ImportError: A library is missing, too old, or does not import; says which one, what was
            found and the line that mends it.
    """
    for requirement in REQUIREMENTS:
        wanted = ".".join(map(str, requirement.minimum))
        version = getattr(_import(requirement, wanted), "__version__", None)
        # A build from source may not know its version: it imports, and more cannot be asked.
        if version and 0 < len(_numbers(version)) and _numbers(version) < requirement.minimum:
            raise ImportError(
                f"mmasg needs {requirement.module} >= {wanted}, found {version}. Upgrade it "
                f"by: {requirement.remedy.replace('pip install', 'pip install -U')}"
            )
    try:
        import_module("mmseg.models")
    except ImportError as error:
        raise ImportError(
            f"mmasg: mmseg's models do not import ({error}). Of mmcv they need the compiled "
            f"operations (mmcv.ops), which mmcv-lite lacks. Install it by: {_FORKS}"
        ) from error
    families = {_family(r.module) for r in REQUIREMENTS if r.module.startswith("mm")}
    return families.pop() if len(families) == 1 else "mixed"


def _import(requirement: Requirement, wanted: str) -> ModuleType:
    module, remedy = requirement.module, requirement.remedy
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            raise ImportError(
                f"mmasg needs {module} >= {wanted}, found none. Install it by: {remedy}"
            ) from error
        raise ImportError(_broken(requirement, error)) from error
    except (ImportError, AssertionError) as error:  # mmseg asserts the version of its mmcv
        raise ImportError(_broken(requirement, error)) from error


def _broken(requirement: Requirement, error: Exception) -> str:
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


def _family(module: str) -> str:
    name = {"mmseg": "mmsegmentation"}.get(module, module)
    try:
        metadata.version(f"onedl-{name}")
    except metadata.PackageNotFoundError:
        return "openmmlab"
    return "onedl"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])
