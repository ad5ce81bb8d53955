import re

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmseg.utils import register_all_modules
from seg_toy import (
    build_runner,
    log_text,
    resnet18,
    segmentor,
    toy_config,
)
from torch import nn

import mmasg  # noqa: F401


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 4, 3)
        self.head = nn.Conv2d(4, 2, 1)


GROUPS = [
    dict(name="stem", patterns=["stem.*", "norm.*"], lr_mult=0.1),
    dict(name="body", patterns=["body.*"], lr_mult=0.5, decay_mult=2.0),
    dict(name="head", rest=True),
]


def build(paramwise, model=None, optimizer=None):
    return build_optim_wrapper(
        model or Net(),
        dict(
            type="OptimWrapper",
            constructor="LayerGroupOptimWrapperConstructor",
            optimizer=optimizer or dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=0.01),
            paramwise_cfg=paramwise,
        ),
    )


def test_groups_in_order_with_rates_and_decays():
    model = Net()
    wrapper = build(dict(groups=GROUPS), model)
    groups = wrapper.optimizer.param_groups
    assert [g["group_name"] for g in groups] == ["stem", "body", "head"]
    assert [g["group_index"] for g in groups] == [0, 1, 2]
    assert [g["lr_mult"] for g in groups] == [0.1, 0.5, 1.0]
    assert [g["lr"] for g in groups] == pytest.approx([0.01, 0.05, 0.1])
    assert [g["weight_decay"] for g in groups] == pytest.approx([0.01, 0.02, 0.01])
    assert [g["momentum"] for g in groups] == [0.9] * 3
    members = [{id(p) for p in g["params"]} for g in groups]
    stem = {*model.stem.parameters(), *model.norm.parameters()}
    assert members[0] == {id(p) for p in stem}
    assert members[1] == {id(p) for p in model.body.parameters()}
    assert members[2] == {id(p) for p in model.head.parameters()}


def test_an_optimizer_of_every_kind_steps():
    for optimizer in (dict(type="AdamW", lr=0.1, weight_decay=0.01), dict(type="Adam", lr=0.1)):
        model = Net()
        wrapper = build(dict(groups=[GROUPS[0], GROUPS[2]]), model, optimizer)
        before = model.head.weight.detach().clone()
        wrapper.update_params(model.head(model.body(model.stem(torch.ones(1, 3, 8, 8)))).sum())
        assert not torch.equal(model.head.weight, before)


def test_inherited_decay_rules_split_a_group_that_keeps_one_multiplier():
    model = Net()
    wrapper = build(
        dict(
            groups=GROUPS,
            custom_keys={"norm": dict(decay_mult=0.0), "head": dict(decay_mult=0.5)},
            bias_decay_mult=0.0,
        ),
        model,
    )
    found = {
        (g["group_name"], round(g["weight_decay"], 6)): (
            g["group_index"],
            g["lr"],
            len(g["params"]),
        )
        for g in wrapper.optimizer.param_groups
    }
    # weight of the convolution | its bias and the norm, whose decay is 0; body: 2 * 0.01 and 0
    assert found == {
        ("stem", 0.01): (0, pytest.approx(0.01), 1),
        ("stem", 0.0): (0, pytest.approx(0.01), 3),
        ("body", 0.02): (1, pytest.approx(0.05), 1),
        ("body", 0.0): (1, pytest.approx(0.05), 1),
        ("head", 0.005): (2, pytest.approx(0.1), 2),
    }
    assert {g["lr_mult"] for g in wrapper.optimizer.param_groups if g["group_index"] == 0} == {0.1}


def test_a_left_over_delete_mark_is_no_setting():
    # mmengine merges it away only where the base config has the key.
    groups = [dict(name="all", rest=True)]
    wrapper = build(dict(_delete_=True, groups=groups))
    assert [g["group_name"] for g in wrapper.optimizer.param_groups] == ["all"]


def test_frozen_parameters_are_left_out():
    model = Net()
    model.norm.requires_grad_(False)
    groups = build(dict(groups=GROUPS), model).optimizer.param_groups
    assert [len(g["params"]) for g in groups] == [2, 2, 2]


def test_frozen_parameters_are_left_out_where_mmengine_lists_them(monkeypatch):
    # mmengine 0.10.7 lists frozen parameters, onedl-mmengine skips them.
    from mmengine.optim import DefaultOptimWrapperConstructor

    def add_params(self, params, module, **kwargs):
        params.extend(dict(params=[p]) for p in module.parameters())

    monkeypatch.setattr(DefaultOptimWrapperConstructor, "add_params", add_params)
    model = Net()
    model.norm.requires_grad_(False)
    groups = build(dict(groups=GROUPS), model).optimizer.param_groups
    assert [len(g["params"]) for g in groups] == [2, 2, 2]


def test_a_shared_parameter_counts_once():
    model = Net()
    model.twin = nn.Conv2d(4, 2, 1)
    model.twin.weight = model.head.weight
    groups = build(dict(groups=GROUPS), model).optimizer.param_groups
    assert len(groups[2]["params"]) == 3  # head's weight and bias, the twin's bias


def test_a_wrapped_model_is_unwrapped():
    outer = nn.DataParallel(Net())
    assert len(build(dict(groups=GROUPS), outer).optimizer.param_groups) == 3


@pytest.mark.parametrize(
    ("paramwise", "message"),
    [
        (
            dict(groups=[dict(name="a", patterns=["stm.*"]), GROUPS[2]]),
            r"pattern 'stm\.\*' of group 'a' matches no parameter.*begin with body\.bias.*prefix=",
        ),
        (
            dict(groups=[GROUPS[0], dict(name="b", patterns=["norm.w*"]), GROUPS[2]]),
            r"1 parameter\(s\) in more than one group: norm\.weight \(stem, b\)",
        ),
        (
            dict(groups=GROUPS[:2]),
            r"2 trainable parameter\(s\) in no group: head\.weight, head\.bias.*rest=True",
        ),
        (
            dict(groups=[*GROUPS, dict(name="more", rest=True)]),
            "rest=True in several groups; allowed: in one",
        ),
        (
            dict(groups=[GROUPS[0], dict(GROUPS[1], name="stem"), GROUPS[2]]),
            "allowed: every name once",
        ),
        (
            dict(groups=[*GROUPS[:2], dict(name="h", patterns=["head.*"]), GROUPS[2]]),
            r"group\(s\) 'head' without a trainable parameter: nothing is left for rest=True",
        ),
        (
            dict(groups=[dict(GROUPS[0], lr_mul=1), GROUPS[2]]),
            r"groups\[0\]\.lr_mul: no such key.*mean 'lr_mult'\?",
        ),
        (
            dict(group=GROUPS),
            r"paramwise_cfg\.group: no such key.*Did you mean 'groups'\?.*_delete_",
        ),
        (dict(), r"paramwise_cfg: got \[\]; allowed: one of 'groups' and 'preset'"),
        (dict(groups=GROUPS, preset="resnet"), r"got \['groups', 'preset'\]; allowed: one of"),
        (
            dict(groups=GROUPS, lr_mult=0.1),
            r"paramwise_cfg\.lr_mult: got 0\.1; allowed: beside 'preset' only",
        ),
        (dict(preset="resnt"), r"got 'resnt'; allowed: .*Did you mean 'resnet'\?"),
        (dict(preset="resnet", lr_mult=-1), r"paramwise_cfg\.lr_mult: got -1"),
        (dict(preset="resnet"), r"pattern 'backbone\.conv1\.\*' .*matches no parameter"),
        (dict(groups=[dict(patterns=["stem.*"])]), r"groups\[0\]\.name: got None"),
        (
            dict(groups=[dict(name="a", patterns=["*"], rest=True)]),
            "patterns.*or rest=True.*not both",
        ),
        (dict(groups=[dict(name="a")]), "or rest=True.*not neither"),
        (dict(groups=[dict(name="a", rest=True, lr_mult="x")]), r"groups\[0\]\.lr_mult: got 'x'"),
        (dict(groups=[dict(name="a", rest=True, decay_mult=-2)]), r"decay_mult: got -2"),
        (
            dict(groups=GROUPS, custom_keys={"head": dict(lr_mult=10.0)}),
            r"custom_keys\['head'\]\.lr_mult contradicts the layer groups.*_delete_=True",
        ),
        (dict(groups=GROUPS, bias_lr_mult=2.0), "bias_lr_mult contradicts.*_delete_=True"),
    ],
)
def test_errors_by_message(paramwise, message):
    with pytest.raises(ValueError, match=message):
        build(paramwise)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "non-empty list"),
        ("stem", "non-empty list"),
        (["stem.*"], r"groups\[0\]: got 'stem\.\*'; allowed: dict"),
        ([dict(name="a", patterns="stem.*")], r"patterns: got 'stem\.\*'; .*list of strings"),
    ],
)
def test_wrong_types(groups, message):
    with pytest.raises(TypeError, match=message):
        build(dict(groups=groups))


def test_a_group_that_is_frozen_as_a_whole():
    model = Net()
    model.body.requires_grad_(False)
    with pytest.raises(
        ValueError, match=r"'body' without a trainable .*frozen.*frozen_stages.*or leave the group"
    ):
        build(dict(groups=GROUPS), model)


def test_a_preset_whose_first_layers_are_frozen():
    # The message can be followed: what it says to write builds.
    register_all_modules(init_default_scope=False)
    model = nn.Module()
    model.backbone = MODELS.build(resnet18(frozen_stages=1))
    model.backbone.train()  # mmseg freezes there
    model.head = nn.Conv2d(64, 2, 1)
    with pytest.raises(ValueError, match=r"preset: group\(s\) 'conv1', 'bn1', 'layer1'") as caught:
        build(dict(preset="resnet", lr_mult=0.1), model)
    written = re.search(r"other groups: groups=(\[.*\])\.$", str(caught.value))[1]
    groups = build(dict(groups=eval(written)), model).optimizer.param_groups
    assert [g["group_name"] for g in groups] == ["layer2", "layer3", "layer4", "head"]
    assert [g["lr"] for g in groups] == pytest.approx([0.01, 0.01, 0.01, 0.1])


def test_several_optimizers():
    one = dict(optimizer=dict(type="SGD", lr=0.1))
    with pytest.raises(ValueError, match=r"got \['generator', 'critic'\]; allowed: one optimizer"):
        build_optim_wrapper(
            Net(),
            dict(
                constructor="LayerGroupOptimWrapperConstructor",
                generator=one,
                critic=one,
                paramwise_cfg=dict(groups=GROUPS),
            ),
        )


def test_the_optimizers_groups_are_plain_dicts():
    # torch.compile cannot trace ConfigDicts (tests/consistency/test_sharded_and_compiled.py).
    optimizer = ConfigDict(type="SGD", lr=0.1, weight_decay=0.01)
    groups = build(dict(groups=GROUPS), optimizer=optimizer).optimizer.param_groups
    assert [type(group) for group in groups] == [dict] * 3


def test_decay_mult_needs_weight_decay():
    with pytest.raises(
        ValueError, match=r"weight_decay: got None; .*groups \['body'\] .* have a decay_mult"
    ):
        build(dict(groups=GROUPS), optimizer=dict(type="SGD", lr=0.1))


def test_rate_is_needed():
    with pytest.raises(ValueError, match=r"optimizer\.lr: got None; allowed: a rate"):
        build(dict(groups=GROUPS[::2]), optimizer=dict(type="AdamW"))


def test_runner_trains_and_logs_the_table(tmp_path):
    config = toy_config(
        tmp_path,
        segmentor(resnet18()),
        max_iters=1,
        optim_wrapper=dict(
            constructor="LayerGroupOptimWrapperConstructor",
            optimizer=dict(type="SGD", lr=0.05),
            paramwise_cfg=dict(preset="resnet", lr_mult=0.1),
        ),
    )
    runner = build_runner(config)
    runner.train()
    groups = runner.optim_wrapper.optimizer.param_groups
    assert [g["group_index"] for g in groups] == list(range(7))
    lines = log_text(runner).split("Layer groups:\n")[1].splitlines()[:8]
    assert lines[0].split() == "# group patterns tensors parameters lr_mult lr".split()
    assert lines[1].split() == "0 conv1 backbone.conv1.* 1 1,176 0.1 0.005".split()  # 8*3*7*7
    assert lines[7].split()[:4] == ["6", "head", "(all", "others)"]
    assert lines[7].split()[-2:] == ["1", "0.05"]
