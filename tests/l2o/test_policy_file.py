import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmasg.l2o import (
    LSTMPolicy,
    build_policy,
    export_policy,
    packaged_policies,
    policy_to_reference,
)
from mmasg.l2o.policy_file import BOX
from mmasg.optim.group_presets import preset_groups


@pytest.fixture
def policy():
    return LSTMPolicy(num_groups=4, multipliers=(0, 1), hidden_size=5)


def save(path, policy, **meta):
    torch.save(dict(state_dict=policy.state_dict(), meta=meta), path)
    return str(path)


def test_file_says_how_the_policy_is_built(tmp_path, policy):
    path = save(tmp_path / "p.pth", policy, multipliers=[0, 1], carry_state=False)
    built = build_policy(path)
    assert (built.num_groups, built.hidden_size, built.multipliers) == (4, 5, (0.0, 1.0))
    assert built.carry_state is False and not built.training
    assert all(torch.equal(v, built.state_dict()[k]) for k, v in policy.state_dict().items())
    # What the dict says wins.
    assert build_policy(dict(type="LSTMPolicy", checkpoint=path, carry_state=True)).carry_state


def test_bare_state_dict_has_the_papers_choices(tmp_path):
    torch.save(LSTMPolicy(num_groups=2).state_dict(), tmp_path / "p.pth")
    built = build_policy(str(tmp_path / "p.pth"))
    assert built.multipliers == LSTMPolicy(num_groups=2).multipliers and built.carry_state


def test_errors(tmp_path, policy):
    with pytest.raises(FileNotFoundError, match="'huge' is neither a packaged policy"):
        build_policy("huge")
    with pytest.raises(TypeError, match="must be the name"):
        build_policy(3)
    path = save(tmp_path / "p.pth", policy, multipliers=[0, 1])
    with pytest.raises(ValueError, match="policy.num_groups=7.*num_groups=4"):
        build_policy(dict(checkpoint=path, num_groups=7))
    with pytest.raises(ValueError, match=r"2 multipliers, .* is \(0.0, 0.1"):
        build_policy(save(tmp_path / "q.pth", policy))
    weights = policy.state_dict()
    weights.pop("heads.1.bias")
    weights["backbone.weight"] = torch.ones(1)
    torch.save(weights, tmp_path / "r.pth")
    with pytest.raises(ValueError, match=r"missing \['heads.1.bias'\].*backbone.weight"):
        build_policy(str(tmp_path / "r.pth"))
    torch.save(policy_to_reference(policy.state_dict()), tmp_path / "s.pth")
    with pytest.raises(ValueError, match="asg_checkpoint.py"):
        build_policy(str(tmp_path / "s.pth"))
    torch.save(dict(state_dict={}, history=HistoryBuffer()), tmp_path / "t.pth")
    with pytest.raises(ValueError, match="is not a policy: missing"):
        build_policy(str(tmp_path / "t.pth"))


def test_export_keeps_weights_and_meta_alone(tmp_path, policy):
    path = save(tmp_path / "p.pth", policy, multipliers=[0, 1], carry_state=False, cfg="x" * 9999)
    export_policy(path, tmp_path / "small.pth", note="tiny")
    content = torch.load(tmp_path / "small.pth", weights_only=True)
    assert content["meta"] == dict(note="tiny", multipliers=[0.0, 1.0], carry_state=False)
    built = build_policy(str(tmp_path / "small.pth"))
    assert all(torch.equal(v, built.state_dict()[k]) for k, v in policy.state_dict().items())


def test_packaged_policy_fits_the_seven_group_presets():
    assert "mini" in packaged_policies()
    assert (BOX / "mini.pth").stat().st_size < 200_000
    assert (BOX / "mini.md").is_file()
    policy = build_policy("mini")
    assert policy.num_groups == 7 and policy.carry_state
    for preset in ("efficientnet_lite0", "resnet", "vgg16_fcn8s"):
        assert len(preset_groups(preset)) == policy.num_groups
