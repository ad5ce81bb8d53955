"""Which layers of the student stay in eval mode while it trains."""

from __future__ import annotations

import torch.nn as nn
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

# The one name that SyncBN, and what mmengine turns SyncBN into on one process, have in common.
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from mmasg.errors import first_of
from mmasg.models.imagenet_init import split_pretrained
from mmasg.wrapped_model import unwrap

EVAL_MODES = ("all", "pretrained", None)
#: Attention drops inside itself.
_RANDOM_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.MultiheadAttention,
)
#: Stochastic depth of mmcv and of others is no ``nn.Dropout``.
_DROPOUT_NAMES = ("DropPath", "StochasticDepth", "DropBlock")
#: MMSegmentation's modules that ask ``self.training`` not for how a layer acts but for what the
#: loss needs: more outputs (DDRNet, PIDNet, K-Net), the update of EMANet's bases, the number of
#: Hamburger's steps. They stay in train mode; the layers inside them do not.
_ASK_FOR_TRAINING = frozenset(
    {
        "DDRNet",
        "DDRHead",
        "PIDNet",
        "PIDHead",
        "IterativeDecodeHead",
        "EMAModule",
        "Matrix_Decomposition_2D_Base",
    }
)


def is_dropout(module: nn.Module) -> bool:
    """Whether ``module`` is random while it trains: dropout, stochastic depth, attention."""
    return isinstance(module, _RANDOM_LAYERS) or type(module).__name__ in _DROPOUT_NAMES


def new_batch_norms(
    model: nn.Module, student_module: str, pretrained: set[str] | None = None
) -> list[str]:
    """Return the names of the BatchNorm layers that the ImageNet weights do not fill.

    Args:
        model: The whole model.
        student_module: Dotted name of the module that the ImageNet file fills.
        pretrained: Names, below the student module, of the parameters and buffers that the file
            fills; None: all of them.
    """
    prefix = f"{student_module}." if student_module else ""
    new = []
    for name, module in model.named_modules():
        if not isinstance(module, BatchNorm):
            continue
        inside = name.startswith(prefix) and (
            pretrained is None or f"{name[len(prefix) :]}.running_mean" in pretrained
        )
        if not inside:
            new.append(name)
    return new


def check_eval_mode(mode: str | None, key: str) -> None:
    """Raise a ValueError where ``mode`` is none of :data:`EVAL_MODES`."""
    if mode not in EVAL_MODES:
        raise ValueError(
            f"{key}: got {mode!r}, allowed are 'all' (the whole model in eval mode, as in the "
            "paper), 'pretrained' (the ImageNet BatchNorm layers and every dropout) and None "
            "(leave the model in train mode)"
        )


class EvalMode:
    """Keep the layers that a mode names in eval mode, whenever the loop calls ``train()``.

    Args:
        model: The unwrapped model.
        mode: One of :data:`EVAL_MODES`.
        student_module: Dotted name of the ImageNet-pretrained part.
        pretrained: See :func:`new_batch_norms`.
    """

    def __init__(
        self,
        model: nn.Module,
        mode: str | None,
        student_module: str = "backbone",
        pretrained: set[str] | None = None,
    ) -> None:
        self.model = model
        self.mode = mode
        new = set(new_batch_norms(model, student_module, pretrained))
        if mode == "all" and new:
            print_log(
                f"eval_mode='all' freezes {len(new)} BatchNorm layer(s) that no ImageNet weights "
                f"fill at mean 0, variance 1: {first_of(sorted(new))}. Use "
                "eval_mode='pretrained', or a head without BatchNorm (norm_cfg=None or GN)",
                logger="current",
                level=30,
            )
        self._frozen = [
            module
            for name, module in model.named_modules()
            if is_dropout(module) or (isinstance(module, BatchNorm) and name not in new)
        ]
        self._asking = [m for m in model.modules() if _names(m) & _ASK_FOR_TRAINING]
        if mode == "all":
            self._warn_of_askers()

    def _warn_of_askers(self) -> None:
        """Name the modules whose loss may need train mode, where that is not known."""
        asking = sorted({type(m).__name__ for m in self.model.modules() if _asks(m)})
        if asking:
            print_log(
                f"eval_mode='all': the code of {first_of(asking)} asks self.training, which is "
                "False now. If it gives its loss something else in eval mode, use "
                "eval_mode='pretrained'",
                logger="current",
                level=30,
            )

    def apply(self) -> None:
        """Set the layers; cheap enough for every iteration."""
        if self.mode == "all":
            if self.model.training:
                self.model.eval()
            for module in self._asking:
                module.training = True
        elif self.mode == "pretrained":
            for module in self._frozen:
                module.training = False


def _names(module: nn.Module) -> set[str]:
    return {cls.__name__ for cls in type(module).__mro__}


def _asks(module: nn.Module) -> bool:
    """Whether a module's own code reads ``self.training``, for a reason that is not known."""
    if is_dropout(module) or isinstance(module, BatchNorm) or _names(module) & _ASK_FOR_TRAINING:
        return False
    for cls in type(module).__mro__:
        if cls.__module__.partition(".")[0] in ("torch", "mmcv", "mmengine"):
            continue  # layers, which eval mode is meant for
        for name, function in vars(cls).items():
            code = getattr(function, "__code__", None)
            if code is not None and name != "train" and "training" in code.co_names:
                return True
    return False


@HOOKS.register_module()
class EvalModeHook(Hook):
    """Keep the student's pretrained layers in eval mode during training, as ASG does.

    For runs without :class:`ImageNetConsistencyHook` (which does the same by its own
    ``eval_mode``), so that a baseline differs in the loss alone.

    Args:
        mode (str, optional): ``'all'``: the whole model (paper, and its configs).
            ``'pretrained'``: BatchNorm layers of the student module and every dropout and
            stochastic depth; new BatchNorm layers train. None: nothing. Defaults to
            ``'pretrained'``.
        student_module (str): Dotted name of the ImageNet-pretrained part; where one module
            inside it has the checkpoint (BiSeNet, STDC), that one is taken. Defaults to
            ``'backbone'``.

    Raises:
        ValueError: An unknown mode, or a module that the model does not have.
    """

    priority = "VERY_HIGH"

    def __init__(self, mode: str | None = "pretrained", student_module: str = "backbone") -> None:
        check_eval_mode(mode, "EvalModeHook.mode")
        self.mode = mode
        self.student_module = student_module
        self._eval_mode: EvalMode | None = None

    def before_train(self, runner: Runner) -> None:
        """Collect the layers."""
        model = unwrap(runner.model)
        student = get_student(model, self.student_module, "EvalModeHook.student_module")
        # As the consistency hook: of BiSeNet and STDC, the part that ImageNet fills.
        nested = [] if pretrained_entry(student) else parts_with_checkpoint(student)
        name = f"{self.student_module}.{nested[0]}" if len(nested) == 1 else self.student_module
        self._eval_mode = EvalMode(model, self.mode, name)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Set them anew: mmengine's loops call ``model.train()`` more than once."""
        assert self._eval_mode is not None
        self._eval_mode.apply()


def pretrained_entry(module: nn.Module) -> dict | None:
    """Return the part of a module's ``init_cfg`` with a checkpoint; None: it starts from random."""
    cfg = getattr(module, "init_cfg", None)
    entry = split_pretrained(cfg)[0] if isinstance(cfg, (dict, list, tuple)) else None
    return entry if entry is not None and entry.get("checkpoint") else None


def parts_with_checkpoint(module: nn.Module) -> list[str]:
    """Return the dotted names of the modules inside ``module`` that start from a checkpoint."""
    return [name for name, m in module.named_modules() if name and pretrained_entry(m)]


def get_student(model: nn.Module, name: str, key: str) -> nn.Module:
    """Return the submodule ``name`` of ``model``.

    Raises:
        ValueError: There is none; names ``key`` and the modules that exist.
    """
    try:
        return model.get_submodule(name)
    except AttributeError:
        first = [child for child, _ in model.named_children()]
        backbone = getattr(model, "backbone", None)
        if isinstance(backbone, nn.Module):
            first += [f"backbone.{c}" for c, _ in backbone.named_children()]
        raise ValueError(
            f"{key}: the model {type(model).__name__} has no module {name!r}; it has "
            f"{first_of(first, 20)}. Name the module that starts from ImageNet weights"
        ) from None
