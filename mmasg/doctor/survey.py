"""Which of many configs can take the consistency hook as they are, and why others cannot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmasg.consistency.eval_mode import pretrained_entry
from mmasg.consistency.imagenet_networks import network_end
from mmasg.consistency.teacher import find_student

from .additions import CONSTRUCTOR, HOOK, lacks_classifier
from .findings import said

AS_IT_IS = "takes the hook as it is"
NO_CLASSIFIER = "the file lacks the classifier: give the original's, or a feature loss"
RANDOM_START = "starts from random weights: name an ImageNet file"
NO_KNOWN_END = "the ImageNet network's end is not known: a feature loss"
NOT_CALLED = "the model does not call that backbone as a whole: another part, or none"
ANOTHER_FILE = "the file is of another architecture: name the right one"
NO_BACKBONE = "no model.backbone to guide: name student_module"
NOT_HERE = "the backbone cannot be built here"
#: Side of the image by which it is seen whether a nested backbone runs.
_SIDE = 64


@dataclass(frozen=True)
class Verdict:
    """What is known of one config.

    Attributes:
        config: Its path, below the folder of the configs.
        verdict: One of the constants of this module.
        reason: The particulars.
        deletes: Whether its ``paramwise_cfg`` has to be replaced (``_delete_=True``).
    """

    config: str
    verdict: str
    reason: str = ""
    deletes: bool = False


class _Holder(nn.Module):
    """A model that has nothing but a backbone."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone


def shipped_configs() -> list[Path]:
    """Return the configs that the installed MMSegmentation brings along.

    Raises:
        FileNotFoundError: It brings none (a clone that was not installed).
    """
    import mmseg

    folder = Path(mmseg.__file__).parent / ".mim/configs"
    found = sorted(p for p in folder.rglob("*.py") if "_base_" not in p.parts)
    if not found:
        raise FileNotFoundError(
            f"{folder}: MMSegmentation brings no configs. Install it as a package: "
            "pip install onedl-mmsegmentation, or mmsegmentation"
        )
    return found


def survey(configs: Iterable[Path]) -> list[Verdict]:
    """Judge configs by their text and their backbones, each kind of which is built once.

    The ImageNet files themselves are not opened: that a known file's classifier fits is what
    ``doctor CONFIG`` says where the file can be had.

    Args:
        configs: Paths of configs.
    """
    known: dict[str, tuple[str, str]] = {}
    verdicts = []
    for path in configs:
        name = "/".join(path.parts[-2:])
        try:
            # Packages that some import, mmdet and mmpretrain, need not be installed.
            cfg = Config.fromfile(
                str(path),
                import_custom_modules=False,
                use_predefined_variables=False,
                use_environment_variables=False,
            )
        except Exception as error:  # a config is a program
            verdicts.append(Verdict(name, NOT_HERE, said(error)))
            continue
        key = repr((cfg.model.get("backbone"), cfg.model.get("pretrained")))
        if key not in known:
            known[key] = _judge(cfg)
        verdicts.append(Verdict(name, *known[key], deletes=_deletes(cfg)))
    return verdicts


def _judge(cfg: Config) -> tuple[str, str]:
    """Judge a backbone."""
    init_default_scope(cfg.get("default_scope", "mmseg"))
    backbone = cfg.model.get("backbone")
    if not isinstance(backbone, Mapping):
        return NO_BACKBONE, str(cfg.model.get("type"))
    given = dict(backbone)
    if cfg.model.get("pretrained"):
        given.setdefault("pretrained", cfg.model.pretrained)
    try:
        model = _Holder(_built(given))
    except Exception as error:  # of any package's class
        scope, _, kind = str(given.get("type")).rpartition(".")
        if scope and find_spec(scope) is None:
            return NOT_HERE, f"{kind}: {scope} is not installed"
        return NOT_HERE, f"{given.get('type')}: {said(error)[:120]}"
    kind = type(model.backbone).__name__
    try:
        name = find_student(model, "backbone", False)
    except ValueError:
        return RANDOM_START, kind
    student = model.get_submodule(name)
    checkpoint = str((pretrained_entry(student) or {}).get("checkpoint"))
    end = network_end(student, None, f"{HOOK}.feature")
    if end.refusal:
        return NO_KNOWN_END, kind
    if type(student).__name__ == "ResNet" and re.search(r"_v1[cd]$", checkpoint):
        return ANOTHER_FILE, f"{kind}: {checkpoint} for a plain ResNet"
    if name != "backbone" and not _runs(model.backbone, student):
        return NOT_CALLED, f"{kind}: {name}"
    if lacks_classifier(checkpoint):
        return NO_CLASSIFIER, f"{kind}: {re.sub(r'_?20[0-9]{6}.*|[^/]*/', '', checkpoint)}"
    return AS_IT_IS, kind


def _built(cfg: dict[str, Any]) -> nn.Module:
    try:
        with torch.device("meta"):  # weights are not needed
            return revert_sync_batchnorm(MODELS.build(cfg))
    except (NotImplementedError, RuntimeError):  # MiT asks tensors for their values
        return revert_sync_batchnorm(MODELS.build(cfg))


def _runs(backbone: nn.Module, student: nn.Module) -> bool:
    """Whether a backbone calls the one inside it as a whole."""
    called: list[int] = []
    handle = student.register_forward_hook(lambda *_: called.append(1))
    device = next(backbone.parameters()).device
    backbone.train()
    try:
        with torch.no_grad():
            backbone(torch.zeros(2, 3, _SIDE, _SIDE, device=device))
    except (ValueError, RuntimeError):
        pass  # it may be too small an image for what comes behind
    handle.remove()
    return bool(called)


def _deletes(cfg: Config) -> bool:
    wrapper = cfg.get("optim_wrapper") or {}
    if wrapper.get("constructor") not in (None, CONSTRUCTOR):
        return True
    rules = (wrapper.get("paramwise_cfg") or {}).get("custom_keys") or {}
    return any("lr_mult" in rule for rule in rules.values())


def as_table(verdicts: list[Verdict]) -> str:
    """Return counts by verdict, with their reasons, and what the layer groups need beside."""
    lines = [f"{len(verdicts)} configs"]
    for verdict, count in Counter(v.verdict for v in verdicts).most_common():
        reasons = Counter(v.reason for v in verdicts if v.verdict == verdict)
        kinds = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
        lines += [f"{count:5}  {verdict}", f"       {kinds}"]
    deletes = sum(v.deletes for v in verdicts)
    lines += [
        "",
        f"{deletes} of them set rates of single layers in optim_wrapper, which the layer groups "
        "replace: paramwise_cfg=dict(_delete_=True, ...); the others take groups as they are",
    ]
    return "\n".join(lines)
