import pytest
import torch

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
    with pytest.raises(FileNotFoundError, match="policy: got 'huge'; .*packaged policy"):
        build_policy("huge")
    with pytest.raises(TypeError, match="a packaged policy's name, a file or a config dict"):
        build_policy(3)
    path = save(tmp_path / "p.pth", policy, multipliers=[0, 1])
    with pytest.raises(ValueError, match="policy.num_groups: got 7; allowed: 4, as .*p.pth"):
        build_policy(dict(checkpoint=path, num_groups=7))
    with pytest.raises(ValueError, match="policy.multipliers: got .*2 numbers"):
        build_policy(dict(checkpoint=path, multipliers=(0, 1, 2)))
    with pytest.raises(ValueError, match="asg_checkpoint.py"):
        torch.save(policy_to_reference(policy.state_dict()), tmp_path / "s.pth")
        build_policy(str(tmp_path / "s.pth"))


def _edit(weights, **changes):
    return {**weights, **changes}


@pytest.mark.parametrize(
    "content, match",
    [
        (lambda w: dict(state_dict=w), "meta.multipliers: got .*allowed: 2 numbers"),
        (lambda w: _edit(w, **{"backbone.weight": torch.ones(1)}), "unexpected backbone.weight"),
        (lambda w: {k: v for k, v in w.items() if k != "heads.1.bias"}, "missing heads.1.bias"),
        (lambda w: _edit(w, **{"heads.1.bias": torch.ones(3)}), r"heads.1.bias: got \(3,\)"),
        (
            lambda w: _edit(w, **{"encoders.0.weight_hh_l0": torch.ones(2)}),
            r"encoders.0.weight_ih_l0: got \(20, 1\)",
        ),
        (lambda w: _edit(w, **{"critic.bias": "none"}), "critic.bias: got 'str'"),
        (lambda w: _edit(w, **{"critic.bias": torch.tensor([float("nan")])}), "finite"),
        (lambda w: _edit(w, **{"critic.bias": torch.tensor([1])}), "finite numbers"),
        (lambda w: _edit(w, **{"heads.999999999999.bias": torch.ones(2)}), "unexpected heads.9"),
        (lambda w: {3: torch.ones(1)}, "unexpected 3"),
        (lambda w: dict(state_dict=w, meta=dict(multipliers="no")), "meta.multipliers: got 'no'"),
        (lambda w: dict(state_dict=w, meta=dict(multipliers=[0, -1])), "numbers >= 0"),
        (lambda w: dict(state_dict=w, meta=[1]), "allowed: 2 numbers"),
        (lambda w: dict(state_dict=3), "got 'dict'; allowed: a state dict"),
        (lambda w: [w], "got 'list'; allowed: a state dict"),
    ],
)
def test_files_that_are_no_policy(tmp_path, policy, content, match):
    torch.save(content(policy.state_dict()), tmp_path / "p.pth")
    with pytest.raises(ValueError, match=match):
        build_policy(str(tmp_path / "p.pth"))


class Code:
    def __reduce__(self):
        return print, ("ran",)


def test_code_and_broken_files(tmp_path, policy, capsys):
    torch.save(dict(state_dict=policy.state_dict(), history=Code()), tmp_path / "p.pth")
    with pytest.raises(ValueError, match="p.pth.*pickled code"):
        build_policy(str(tmp_path / "p.pth"))
    assert "ran" not in capsys.readouterr().out
    path = tmp_path / "q.pth"
    save(path, policy, multipliers=[0, 1])
    whole = path.read_bytes()
    for end in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="q.pth"):
            build_policy(str(path))


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
