"""FCN8s on VGG-16 and its consistency loss against what the paper's reference code computed."""

import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

import mmasg  # noqa: F401
from mmasg.released.reference_checkpoint import from_reference

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
pytestmark = pytest.mark.slow  # half a gigabyte of weights, twice


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    sys.path.insert(0, str(DATA))
    import seeded_weights

    sys.path.remove(str(DATA))
    fixture = np.load(DATA / "fcn8s_vgg16.npz")
    student, teacher = seeded_weights.fcn8s_vgg16(fixture)
    imagenet = tmp_path_factory.mktemp("imagenet") / "vgg16.pth"
    torch.save(teacher, imagenet)
    cfg = Config.fromfile(ROOT / "configs" / "asg" / "gta2cityscapes.py")
    cfg.model.backbone.init_cfg.checkpoint = str(imagenet)
    init_default_scope("mmseg")
    model = MODELS.build(cfg.model)
    model.load_state_dict(from_reference({"state_dict": student})[1]["state_dict"], strict=True)
    generator = torch.Generator().manual_seed(int(fixture["seed"]) + 2)
    hw = tuple(int(n) for n in fixture["hw"])
    x = torch.randn(2, 3, *hw, generator=generator)
    y = torch.randint(0, 19, (2, *hw), generator=generator)
    y[:, :4] = 255
    (hook_cfg,) = (h for h in cfg.custom_hooks if h["type"] == "ImageNetConsistencyHook")
    yield SimpleNamespace(
        fixture=fixture,
        model=model,
        x=x,
        y=y,
        hook_cfg=hook_cfg,
        work_dir=tmp_path_factory.mktemp("work_dir"),
    )
    imagenet.unlink()


def samples(y):
    meta = {"img_shape": tuple(y.shape[1:]), "ori_shape": tuple(y.shape[1:])}
    return [
        SegDataSample(gt_sem_seg=PixelData(data=label[None]), metainfo=dict(meta)) for label in y
    ]


@contextmanager
def consistency(case, **changes):
    """The config's own hook on the model, as a runner attaches it to loaded weights."""
    init_default_scope("mmseg")
    runner = Runner(
        model=case.model,
        work_dir=str(case.work_dir),
        train_dataloader=dict(dataset=[0], batch_size=1, sampler=dict(type="DefaultSampler")),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=1),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        default_scope="mmseg",
        experiment_name=f"parity-{id(changes)}",
        log_level="ERROR",
    )
    assert runner.train_loop is not None  # built when first asked for, as before a training
    hook = HOOKS.build({**case.hook_cfg, **changes})
    hook.before_run(runner)
    hook.before_train(runner)
    case.model.train()
    hook.before_train_iter(runner, 0)
    case.model.zero_grad(set_to_none=True)
    try:
        yield hook
    finally:
        hook.after_train(runner)
        case.model.zero_grad(set_to_none=True)


def assert_close(ours, expected):
    """1e-4 of the array's largest value: float32 sums over 25,088 terms differ by about 1e-6."""
    ours = torch.as_tensor(ours).detach().numpy()
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() <= 1e-4 * np.abs(expected).max()


def test_outputs_losses_and_gradients_equal_the_reference(case):
    fixture, model = case.fixture, case.model
    with consistency(case, max_weighted_loss=None) as hook:
        seen = []
        handle = model.backbone.register_forward_hook(lambda *args: seen.append(args[-1]))
        losses = model(case.x, samples(case.y), mode="loss")
        handle.remove()
        total, _ = model.parse_losses(losses)
        total.backward()
        norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
        with torch.no_grad():
            (features,) = seen
            assert_close(features[-1][:, ::16], fixture["pool5"])
            assert_close(model.decode_head(features)[:, :, ::4, ::4], fixture["logits"])
            assert_close(hook.teacher.classify(features[-1]), fixture["new"])
            assert_close(hook.teacher(case.x).logits, fixture["old"])
    ce, kl = float(fixture["ce"]), float(fixture["kl"])
    assert losses["decode.loss_ce"].item() == pytest.approx(ce, rel=1e-4)
    assert losses["kl_imagenet"].item() == pytest.approx(kl, rel=1e-4)
    assert losses["loss_imagenet"].item() == pytest.approx(75 * kl, rel=1e-4)
    assert total.item() == pytest.approx(ce + 75 * kl, rel=1e-4)
    ours = {name.partition(".")[2]: norm for name, norm in norms.items()}
    assert ours.keys() == set(map(str, fixture["grad_names"]))
    # ReLU signs flip with the processor's instruction set, hence 1e-3; a norm that is 0 but for
    # rounding is held against the largest.
    floor = 1e-6 * fixture["grad_norms"].max()
    for name, expected in zip(fixture["grad_names"], fixture["grad_norms"], strict=True):
        tolerance = 1e-3 * (expected if expected >= floor else fixture["grad_norms"].max())
        assert abs(ours[str(name)] - expected) <= tolerance, name


def test_capped_gradient_equals_autograd_by_hand(case):
    model, x, y = case.model, case.x[:1], case.y[:1]
    backbone = dict(model.backbone.named_parameters())
    with consistency(case) as hook:
        assert hook.max_weighted_loss == 9
        features = model.backbone(x)
        logits = model.decode_head(features)
        ce = F.cross_entropy(logits, y, ignore_index=255)
        teacher = F.softmax(hook.teacher(x).logits, 1)
        student = F.log_softmax(hook.teacher.classify(features[-1]), 1)
        kl = F.kl_div(student, teacher, reduction="batchmean")
        assert 75 * kl > 9
        by_hand = torch.autograd.grad(ce + (9 / kl).detach() * kl, list(backbone.values()))
        losses = model(x, samples(y), mode="loss")
        assert losses["loss_imagenet"].item() == pytest.approx(9, rel=1e-6)
        total, _ = model.parse_losses(losses)
        ours = torch.autograd.grad(total, list(backbone.values()))
    for name, one, other in zip(backbone, ours, by_hand, strict=True):
        # The same operations on the same machine, but for the order of two sums.
        assert (one - other).norm() <= 1e-5 * other.norm(), name


@torch.no_grad()
def test_loss_and_predict_see_the_very_same_full_size_logits(case):
    init_default_scope("mmseg")
    x, y = case.x[1:], case.y[1:]
    case.model.eval()
    logits = case.model(x, mode="tensor")
    assert logits.shape == (1, 19, *x.shape[2:])
    predicted = case.model(x, samples(y), mode="predict")
    for row, sample in zip(logits, predicted, strict=True):
        assert torch.equal(sample.seg_logits.data, row)
    losses = case.model(x, samples(y), mode="loss")
    expected = F.cross_entropy(logits, y, ignore_index=255)
    assert losses["decode.loss_ce"].item() == pytest.approx(expected.item(), rel=1e-6)
