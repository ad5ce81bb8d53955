"""mmasg: MMSegmentation models trained on synthetic images that work on real ones.

Importing the package registers its hooks, losses, models, data sets and constructors with
mmengine, so a config needs ``custom_imports = dict(imports=['mmasg'])`` and nothing else.
"""

from .dependencies import check_dependencies

#: The OpenMMLab family in use: ``'onedl'`` (maintained forks), ``'openmmlab'`` or ``'mixed'``.
OPENMMLAB_FAMILY = check_dependencies()

from . import (  # noqa: E402
    adaptation,
    checkpoint,
    consistency,
    datasets,
    evaluation,
    guard,
    l2o,
    models,
    optim,
    reproducible,
    whitening,
)

__version__ = "0.1.0"

__all__ = [
    "adaptation",
    "checkpoint",
    "consistency",
    "datasets",
    "evaluation",
    "guard",
    "l2o",
    "models",
    "optim",
    "reproducible",
    "whitening",
]
