import pytest
import torch

from mmasg.l2o import LSTMPolicy, build_policy
from mmasg.l2o.group_policy import GroupPolicy
from mmasg.l2o.group_policy_file import load_group_policy, save_group_policy


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    policy = GroupPolicy(hidden_size=6, factor=1.5, steps=2, spread=0.5)
    torch.nn.init.normal_(policy.head.weight)
    save_group_policy(policy, tmp_path / "group.pth", note="tiny")
    return policy, tmp_path / "group.pth"


def test_there_and_back(saved):
    policy, path = saved
    loaded = load_group_policy(path)
    assert loaded.arguments == policy.arguments and not loaded.training
    groups, run = torch.randn(2, 3, 8), torch.randn(2, 6)
    assert torch.equal(loaded(groups, run)[0], policy(groups, run)[0])
    content = torch.load(path, weights_only=True)
    assert content["meta"]["note"] == "tiny" and "prior" not in content["state_dict"]


def test_each_kind_refuses_the_other(tmp_path, saved):
    with pytest.raises(ValueError, match="group.pth: meta.kind: got 'GroupPolicy'; .*LSTMPolicy"):
        build_policy(str(saved[1]))
    torch.save(dict(state_dict=LSTMPolicy(num_groups=3).state_dict()), tmp_path / "lstm.pth")
    with pytest.raises(ValueError, match="lstm.pth: meta.kind: got None; allowed: 'GroupPolicy'"):
        load_group_policy(tmp_path / "lstm.pth")
    with pytest.raises(ValueError, match="mini.pth: meta.kind: got None"):
        load_group_policy("mini")
    with pytest.raises(FileNotFoundError, match="policy: got 'nothing'"):
        load_group_policy("nothing")


def edited(content, **changes):
    for key, value in changes.items():
        part, _, name = key.partition("__")
        content[part][name] = value
    return content


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda c: edited(c, meta__inputs=["depth"]), r"meta.inputs: got \['depth'\]"),
        (lambda c: edited(c, meta__arguments=dict(width=3)), "meta.arguments: got {'width': 3}"),
        (
            lambda c: edited(c, meta__arguments=dict(hidden_size=10**9)),
            "hidden_size: got 1000000000",
        ),
        (lambda c: edited(c, meta__arguments=dict(steps=3)), "encoder.weight: got .6, 14."),
        (lambda c: edited(c, state_dict__x=torch.ones(1)), "no GroupPolicy: .*unexpected x"),
        (lambda c: edited(c, **{"state_dict__head.bias": "a"}), "head.bias: got 'str'"),
        (
            lambda c: edited(c, **{"state_dict__head.bias": torch.full((5,), float("inf"))}),
            "head.bias.*finite numbers",
        ),
        (lambda c: dict(c, state_dict=[1]), "missing cell.bias_hh"),
        (lambda c: [c], "meta.kind: got None"),
    ],
)
def test_files_that_do_not_fit(saved, change, match):
    _, path = saved
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.raises(ValueError, match=match):
        load_group_policy(path)


def test_broken_files(saved):
    _, path = saved
    whole = path.read_bytes()
    for end in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="group.pth"):
            load_group_policy(path)
