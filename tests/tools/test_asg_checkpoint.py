import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

import mmasg  # noqa: F401
from mmasg.l2o.policy import LSTMPolicy
from mmasg.l2o.policy_file import build_policy
from mmasg.released.reference_checkpoint import (
    KINDS,
    expected_shapes,
    from_reference,
    recognise,
    to_reference,
)

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
FIXTURES = {"segmentation": "fcn8s_vgg16.npz", "visda": "visda_resnet101.npz"}


@pytest.fixture
def convert():
    return runpy.run_path(str(ROOT / "tools" / "model_converters" / "asg_checkpoint.py"))["main"]


def fixture_shapes(kind):
    fixture = np.load(DATA / FIXTURES[kind])
    return {
        str(name): tuple(int(n) for n in str(shape).split(",")) if str(shape) else ()
        for name, shape in zip(fixture["names"], fixture["shapes"], strict=True)
    }


def seeded(kind):
    if kind == "policy":
        fixture = np.load(DATA / "policy.npz")
        return {n[3:]: torch.from_numpy(fixture[n]) for n in fixture.files if n.startswith("sd/")}
    sys.path.insert(0, str(DATA))
    import seeded_weights

    sys.path.remove(str(DATA))
    fixture = np.load(DATA / FIXTURES[kind])
    return seeded_weights.state_dict(fixture["names"], fixture["shapes"], int(fixture["seed"]))


def hollow(kind, reference=True):
    """A state dict of the right shapes without memory: every tensor is one number, expanded."""
    return {n: torch.zeros(()).expand(s) for n, s in expected_shapes(kind, reference).items()}


def released(kind):
    """The content of a released file."""
    weights = seeded(kind)
    if kind == "policy":
        return weights
    best = {"segmentation": "best_mIoU", "visda": "best_prec1"}[kind]
    return {"state_dict": weights, "epoch": 17, best: 31.25}


def model_of(kind):
    if kind == "policy":
        return LSTMPolicy(num_groups=7)
    name = {"segmentation": "gta2cityscapes", "visda": "visda"}[kind]
    cfg = Config.fromfile(ROOT / "configs" / "asg" / f"{name}.py")
    init_default_scope("mmseg")
    with torch.device("meta"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("kind", FIXTURES)
def test_expected_names_and_shapes_are_the_released_ones(kind):
    assert expected_shapes(kind, reference=True) == fixture_shapes(kind)


def test_expected_policy_is_the_released_one():
    shapes = {name: tuple(value.shape) for name, value in seeded("policy").items()}
    assert expected_shapes("policy", reference=True) == shapes


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_on_files(kind, convert, tmp_path):
    source, ours, back = (tmp_path / f"{name}.pth" for name in ("source", "ours", "back"))
    content = released(kind)
    torch.save(content, source)
    assert convert([str(source), str(ours)]) == 0
    converted = torch.load(ours, weights_only=True, mmap=True)
    # Strictly into the model of the config; on the meta device only names and shapes count.
    model_of(kind).load_state_dict(converted["state_dict"], strict=True, assign=True)
    if kind == "policy":
        assert converted["meta"] == {"carry_state": False}
        assert build_policy(str(ours)).carry_state is False
    if kind == "visda":
        assert converted["imagenet_classifier"].keys() == {"fc.weight", "fc.bias"}
        assert not any("imagenet" in n or n.endswith(".fc.weight") for n in converted["state_dict"])
    assert convert([str(ours), str(back), "--to-reference"]) == 0
    returned = torch.load(back, weights_only=True, mmap=True)
    assert returned.keys() == content.keys()
    before, after = (c.get("state_dict", c) for c in (content, returned))
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    for key in content.keys() - before.keys() - {"state_dict"}:
        assert returned[key] == content[key]
    for path in (source, ours, back):
        path.unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_bare_state_dict_is_taken_too(kind):
    found, converted = from_reference(hollow(kind))
    assert found == kind
    assert converted["state_dict"].keys() == expected_shapes(kind).keys()
    assert "epoch" not in converted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reference", [True, False])
def test_everything_wrong_is_listed(kind, reference):
    weights = hollow(kind, reference)
    names = list(weights)
    for name in names[:2]:
        del weights[name]
    weights[names[2]] = torch.zeros(3, 2, 1)
    weights["stranger.a"] = weights["stranger.b"] = torch.zeros(1)
    with pytest.raises(ValueError, match=f"not a {kind} checkpoint") as error:
        (from_reference if reference else to_reference)(weights)
    lines = str(error.value).splitlines()
    assert [f"  missing: {name}" in lines for name in names[:2]] == [True, True]
    assert [f"  extra: stranger.{x}" in lines for x in "ab"] == [True, True]
    assert sum(line.startswith(f"  wrong shape: {names[2]} (3, 2, 1)") for line in lines) == 1


def test_nothing_is_written_when_something_is_wrong(convert, tmp_path, capsys):
    weights = seeded("policy")
    del weights["critic.fc.bias"]
    torch.save(weights, tmp_path / "policy.pth")
    assert convert([str(tmp_path / "policy.pth"), str(tmp_path / "out" / "new.pth")]) == 1
    error = capsys.readouterr().err
    assert "missing: critic.fc.bias" in error and "Nothing was written" in error
    assert [path.name for path in tmp_path.iterdir()] == ["policy.pth"]


def test_an_imagenet_file_is_not_a_visda_file():
    weights = {n: v for n, v in hollow("visda").items() if not n.startswith("fc_new")}
    with pytest.raises(ValueError, match="missing: fc_new.0.bias"):
        from_reference(weights)


def test_visda_without_the_imagenet_classifier_cannot_go_back():
    with pytest.raises(ValueError, match="(?s)missing: fc.bias.*under the top-level key"):
        to_reference({"state_dict": hollow("visda", reference=False)})


def test_the_wrong_direction_is_told():
    with pytest.raises(ValueError, match="--to-reference for the way back"):
        from_reference(hollow("segmentation", reference=False))
    with pytest.raises(ValueError, match="drop --to-reference"):
        to_reference(hollow("policy"))
    with pytest.raises(ValueError, match="unknown checkpoint .*'features.0.weight'"):
        recognise({"features.0.weight": 0}, reference=True)


@pytest.mark.parametrize(
    "content",
    [{1: torch.zeros(1)}, {"a": 1, 2: torch.zeros(1)}, {"state_dict": {(1, 2): torch.zeros(1)}}, 3],
)
def test_content_that_is_no_state_dict(content):
    for convert in (from_reference, to_reference):
        with pytest.raises(ValueError, match="tensors by name|no state dict") as caught:
            convert(content)
        assert type(caught.value) is ValueError


def test_bad_files(convert, tmp_path, capsys):
    path = tmp_path / "file.pth"
    out = str(tmp_path / "out.pth")
    assert convert([str(path), out]) == 1
    assert "SRC: there is no checkpoint" in capsys.readouterr().err
    torch.save({"state_dict": {"conv1_1.weight": Path("pickled")}}, path)
    assert convert([str(path), out]) == 1
    assert "pickled code (pathlib" in capsys.readouterr().err
    torch.save({"state_dict": {"conv1_1.weight": 3}}, path)
    assert convert([str(path), out]) == 1
    assert "something else than tensors" in capsys.readouterr().err
    torch.save([1, 2], path)
    assert convert([str(path), out]) == 1
    assert "no state dict" in capsys.readouterr().err
    assert not Path(out).exists()
