"""Every config of the repository builds: model, hooks, optimizer, schedule; weights stubbed."""

from pathlib import Path

import pytest
import torch
from leaves import LEAVES, buildable
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, METRICS, MODELS, VISUALIZERS, init_default_scope

import mmasg  # noqa: F401
from mmasg.optim import PACKAGE_OPTIMIZERS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def class_folders(tmp_path, monkeypatch):
    """The folder config reads its classes from the two folders that its user names."""
    for domain in ("TRAIN_ROOT", "TEST_ROOT"):
        for name in ("cup", "lamp"):
            (tmp_path / domain / name).mkdir(parents=True)
        monkeypatch.setenv(domain, str(tmp_path / domain))


def _without_weights(cfg):
    """Drop every checkpoint name, so that nothing is fetched."""
    if isinstance(cfg, dict):
        for key in list(cfg):
            if key == "init_cfg" or key == "pretrained":
                cfg[key] = None
            else:
                _without_weights(cfg[key])
    elif isinstance(cfg, (list, tuple)):
        for item in cfg:
            _without_weights(item)


def _build_model(cfg):
    """Build on the meta device: FCN8s alone has 134 million weights."""
    init_default_scope(cfg.get("default_scope", "mmseg"))
    _without_weights(cfg.model)
    # They ask tensors for their values while they are built, which the meta device has not.
    backbone = cfg.model.get("backbone", {}).get("type")
    device = "cpu" if backbone in ("MixVisionTransformer", "FoundationViT") else "meta"
    with torch.device(device):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("path", buildable())
def test_config_builds(path):
    cfg = Config.fromfile(path)
    model = _build_model(cfg)
    assert sum(p.numel() for p in model.parameters()) > 1000
    # The visualisation hook asks for the visualizer that the runner makes.
    visualizer = cfg.get("visualizer", dict(type="Visualizer"))
    VISUALIZERS.build({**visualizer, "name": "test", "vis_backends": None})
    for hook in (*cfg.get("default_hooks", {}).values(), *cfg.get("custom_hooks", [])):
        HOOKS.build(dict(hook))
    evaluators = [cfg.get("val_evaluator"), cfg.get("test_evaluator")]
    for evaluator in evaluators:
        for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
            if metric is not None:
                METRICS.build(dict(metric))


def trained_as_their_bases(path):
    """Ways of adaptation and ceilings: network, groups and schedule are those of their base."""
    return "_adapt_" in path.stem or "_ceiling" in path.stem


@pytest.mark.parametrize(
    "path", [p for p in buildable() if not trained_as_their_bases(p.values[0])]
)
def test_groups_and_schedule_fit_the_model(path):
    cfg = Config.fromfile(path)
    if "optim_wrapper" not in cfg or "constructor" not in cfg.optim_wrapper:
        pytest.skip("the config has no layer groups")
    if cfg.optim_wrapper.optimizer.type in PACKAGE_OPTIMIZERS:
        package = PACKAGE_OPTIMIZERS[cfg.optim_wrapper.optimizer.type][0]
        pytest.importorskip(package, reason="needs: pip install mmasg[rates]")
    model = _build_model(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = wrapper.optimizer.param_groups
    indices = sorted({group["group_index"] for group in groups})
    assert indices == list(range(len(indices)))
    trained = sum(p.numel() for group in groups for p in group["params"])
    assert trained == sum(p.numel() for p in model.parameters() if p.requires_grad)
    policies = [h for h in cfg.get("custom_hooks", []) if h.type == "LayerLRPolicyHook"]
    if policies:
        assert len(indices) == 7, "the policy in the package has 7 groups"
        assert all(group["lr_mult"] == 1 for group in groups)


def test_every_base_is_used():
    bases = {p.resolve() for p in (ROOT / "configs" / "_base_").rglob("*.py")}
    used = set()

    def follow(path):
        for base in _bases(path):
            used.add(base)
            follow(base)

    for leaf in LEAVES:
        follow(leaf)
    assert bases - used == set()


def _bases(path):
    scope: dict = {}
    text = path.read_text().split("\n")
    start = next((i for i, line in enumerate(text) if line.startswith("_base_")), None)
    if start is None:
        return []
    for end in range(start + 1, len(text) + 1):
        try:
            exec("\n".join(text[start:end]), scope)
            break
        except SyntaxError:
            continue
    names = scope["_base_"]
    names = [names] if isinstance(names, str) else names
    return [(path.parent / name).resolve() for name in names]
