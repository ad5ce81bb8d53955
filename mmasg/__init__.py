"""mmasg: MMSegmentation models trained on synthetic images that work on real ones.

Importing the package registers its hooks, losses, models, data sets and constructors with
mmengine, so a config needs ``custom_imports = dict(imports=['mmasg'])`` and nothing else.
"""

from .dependencies import check_dependencies

#: The OpenMMLab family in use: ``'onedl'`` (maintained forks), ``'openmmlab'`` or ``'mixed'``.
OPENMMLAB_FAMILY = check_dependencies()

from . import consistency, datasets, engine, evaluation, l2o, models  # noqa: E402

__version__ = "0.1.0"

__all__ = ["consistency", "datasets", "engine", "evaluation", "l2o", "models"]
