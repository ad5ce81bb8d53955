"""The model of configs/asg/visda.py against what the reference computed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import BaseLoop

import mmasg.models.classifier_head
import mmasg.models.classifier_tta  # noqa: F401
from mmasg.datasets.classification_sample import ClassificationSample
from mmasg.models.classifier import SynRealClassifier  # noqa: F401

TESTS = Path(__file__).parents[1]
CONFIG = TESTS.parent / "configs" / "asg" / "visda.py"


class NoLoop(BaseLoop):
    """Tells the hook that there is a training to come."""

    def __init__(self):
        pass

    def run(self):
        raise NotImplementedError


def our_name(name):
    """torchvision's ResNet-101 with ``fc_new`` -> SynRealClassifier."""
    return f"head.fc.{name[7:]}" if name.startswith("fc_new.") else f"backbone.{name}"


def relative(ours, theirs):
    return np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max()


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """One forward and backward pass of the config's model with the config's own hook."""
    # by path, as the fixture folder is no package
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "seeded_weights", TESTS / "data" / "seeded_weights.py"
    )
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    fixture = np.load(TESTS / "data" / "visda_resnet101.npz")
    student, teacher = seeded.visda_resnet101(fixture)
    checkpoint = tmp_path_factory.mktemp("imagenet") / "resnet101.pth"
    torch.save(teacher, checkpoint)

    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.init_cfg.checkpoint = str(checkpoint)
    model = MODELS.build(cfg.model)
    model.init_weights()
    hook_cfg = next(h for h in cfg.custom_hooks if h.type == "ImageNetConsistencyHook")
    hook = HOOKS.build(hook_cfg)
    runner = SimpleNamespace(model=model, _train_loop=NoLoop(), _has_loaded=True, cfg=cfg)
    hook.before_run(runner)
    weights = {our_name(n): v for n, v in student.items() if not n.startswith("fc.")}
    model.load_state_dict(weights, strict=True)
    model.train()
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)

    generator = torch.Generator().manual_seed(int(fixture["seed"]) + 2)
    x = torch.randn(4, 3, 64, 64, generator=generator)
    samples = [ClassificationSample().set_gt_label(label) for label in fixture["labels"]]
    losses = model(x, samples, mode="loss")
    (losses["loss_ce"] + losses["loss_imagenet"]).backward()
    yield SimpleNamespace(
        fixture=fixture, model=model, teacher=hook.teacher, x=x, losses=losses, weight=0.1
    )
    hook.after_train(runner)


def test_logits(computed):
    assert relative(computed.model(computed.x), computed.fixture["logits"]) <= 1e-4


def test_imagenet_logits_of_student_and_teacher(computed):
    features = computed.model.backbone(computed.x)[-1]
    new = computed.teacher.classify(features)
    assert relative(new, computed.fixture["new"]) <= 1e-4
    assert relative(computed.teacher(computed.x).logits, computed.fixture["old"]) <= 1e-4


def test_losses(computed):
    fixture, losses = computed.fixture, computed.losses
    assert losses["loss_ce"].item() == pytest.approx(float(fixture["ce"]), rel=1e-4)
    assert losses["kl_imagenet"].item() == pytest.approx(float(fixture["kl"]), rel=1e-4)
    assert losses["loss_imagenet"].item() == pytest.approx(0.1 * float(fixture["kl"]), rel=1e-4)


def test_gradient_norms(computed):
    params = dict(computed.model.named_parameters())
    fixture = computed.fixture
    names = [our_name(str(name)) for name in fixture["grad_names"]]
    assert set(names) == set(params)
    theirs = fixture["grad_norms"]
    ours = np.array([params[name].grad.double().norm().item() for name in names])
    # Each norm against its own value; one that is all rounding against the largest.
    scale = np.where(theirs < 1e-6 * theirs.max(), theirs.max(), theirs)
    assert (np.abs(ours - theirs) / scale).max() <= 1e-3


def test_mirror_averaged_output(computed):
    tta = MODELS.build(dict(type="SigmoidMeanTTAModel", module=computed.model))
    with torch.no_grad():
        views = [computed.model(x, mode="predict") for x in (computed.x, computed.x.flip(3))]
    merged = tta.merge_preds(list(zip(*views, strict=True)))
    scores = torch.stack([sample.pred_score for sample in merged])
    assert relative(scores, computed.fixture["tta"]) <= 1e-4


def test_teacher_stays_out_of_the_model(computed):
    assert len(computed.model.state_dict()) == len(computed.fixture["names"]) - 2  # but for fc
    assert not any(p.requires_grad for p in computed.teacher.parameters())
