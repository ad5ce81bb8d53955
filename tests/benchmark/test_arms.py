import pytest
from quick_run import write_config

from mmasg.benchmark.arms import Arm, make_arms, parse_options, select

ARMS = (
    Arm("baseline", "a.py", group="seg"),
    Arm("asg", "b.py", group="seg"),
    Arm("baseline", "c.py", group="cls"),
)


def test_nothing_named_is_everything():
    assert select(ARMS, None) == list(ARMS)


@pytest.mark.parametrize(
    "names, keys",
    [
        (["seg"], ["seg_baseline", "seg_asg"]),
        (["cls_baseline"], ["cls_baseline"]),
        (["cls", "seg_asg"], ["seg_asg", "cls_baseline"]),
    ],
)
def test_groups_and_keys_select(names, keys):
    assert [arm.key for arm in select(ARMS, names)] == keys


def test_a_typo_lists_what_there_is():
    with pytest.raises(ValueError, match="got 'seg_bseline'.*Did you mean 'seg_baseline'"):
        select(ARMS, ["seg_bseline"])


def test_configs_are_arms_by_the_names_of_their_files():
    arms = make_arms(["configs/a.py", "ours=configs/b.py"], common=["x=1"])
    assert [(a.key, a.config, a.options) for a in arms] == [
        ("a", "configs/a.py", ("x=1",)),
        ("ours", "configs/b.py", ("x=1",)),
    ]


def test_every_config_with_every_set_of_options():
    sets = ["plain:", "lr=0.1,w:optim.lr=0.1 hooks.0.text='a b'"]
    arms = make_arms(["a.py", "b.py"], sets, ["x=1"])
    assert [a.key for a in arms] == ["a,plain", "a,lr=0.1,w", "b,plain", "b,lr=0.1,w"]
    assert arms[0].options == ("x=1",)
    assert arms[1].options == ("x=1", "optim.lr=0.1", "hooks.0.text=a b")
    assert [a.key for a in make_arms(["a.py"], sets)] == ["plain", "lr=0.1,w"]


@pytest.mark.parametrize("text", ["lr=0.1", ":lr=0.1", "a/b:lr=0.1"])
def test_a_set_of_options_needs_a_name(text):
    with pytest.raises(ValueError, match="--name-option.*'NAME:KEY=VALUE"):
        make_arms(["a.py"], [text])


def test_names_are_unique():
    with pytest.raises(ValueError, match="got 'a'.*Name a config by NAME=FILE"):
        make_arms(["x/a.py", "y/a.py"])
    with pytest.raises(ValueError, match="each name once"):
        make_arms(["a.py"], ["a:x=1", "a:x=2"])
    with pytest.raises(ValueError, match="options of an arm: got 'x'; allowed: KEY=VALUE"):
        make_arms(["a.py"], ["a:x"])


def test_options_are_read_as_the_command_line_does():
    assert parse_options(["a.b=1", "c=[1,2]", "d=x"]) == {"a.b": 1, "c": [1, 2], "d": "x"}
    assert parse_options([]) == {}


def test_reading_an_arm(tmp_path):
    config = write_config(tmp_path)
    cfg = Arm("x", config, options=("lr=0.3",)).read(["train_cfg.max_iters=7"])
    assert (cfg.lr, cfg.train_cfg.max_iters) == (0.3, 7)
    with pytest.raises(FileNotFoundError, match="Did you mean .*arm.py"):
        Arm("x", config.replace("arm.py", "amr.py")).read()
