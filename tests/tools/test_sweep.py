import json

import pytest
from load_tool import load_tool
from quick_run import CONFIG, QuickRun, write_config

from mmasg.benchmark import comparison
from mmasg.miniature.miniature_arms import RATE_ARMS, RATE_VALUES, WITHOUT_RATE

TESTS = ("--tests", "real=test_dataloader", "source=source_dataloader")


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "Run", QuickRun)
    monkeypatch.setattr(QuickRun, "scores", {"a,lr=1": 34.0, "b,lr=1": 37.0})
    monkeypatch.chdir(tmp_path)


def words(*arguments):
    return [str(argument) for argument in arguments]


def test_two_configs_over_a_setting_and_the_table_alone(tmp_path, capsys):
    configs = [write_config(tmp_path, name, CONFIG) for name in ("a.py", "b.py")]
    tool = load_tool("analysis/sweep")
    sweep = words("--key", "lr", "--reference", "a", "--out", "work")
    new = words("--values", "0.1", "1", "--seeds", 0, 1, *TESTS)
    assert tool.main([*configs, *new, *sweep]) == 0
    first = capsys.readouterr().out
    assert "mIoU (real) by lr" in first and "Difference to a seed by seed" in first
    row = "| b | 30.50 ± 0.71 | 37.50 ± 0.71 | 34.00 ± 0.71 | 37.50 ± 0.71 (1) |"
    assert row in first and "| b | +0.00 (0.00) | +3.00 (0.00) | +1.50 (0.00) |" in first
    numbers = json.loads((tmp_path / "work/sweep.json").read_text())["panels"]
    assert numbers["mIoU (real)"]["b"]["at"]["1"]["seeds"] == {"0": 37.0, "1": 38.0}
    assert (tmp_path / "work/sweep.png").stat().st_size > 10_000
    assert tool.main([*sweep, "--table-only"]) == 0
    assert row in capsys.readouterr().out
    assert tool.main([*sweep, "--table-only", "--only", "a"]) == 0
    assert "| b |" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="--reference: got 'c'; allowed: a, b"):
        tool.main(words("--key", "lr", "--reference", "c", "--out", "work", "--table-only"))


def test_a_failed_run_and_an_arm_that_is_run_once(tmp_path, capsys):
    QuickRun.scores["a,lr=1"] = None
    configs = [write_config(tmp_path, name, CONFIG) for name in ("a.py", "b.py")]
    tool = load_tool("analysis/sweep")
    arguments = words("--key", "lr", "--values", 1, "--once", "b", "--seeds", 0, *TESTS)
    assert tool.main([*configs, *arguments, "--out", "work"]) == 1
    out = capsys.readouterr().out
    assert "FAILED a,lr=1_seed0" in out and "| b | 30.00 |  |" in out


def test_without_configs_it_is_the_robustness_curve_of_the_miniature(monkeypatch):
    tool = load_tool("analysis/sweep")
    monkeypatch.setattr(tool, "make_miniature_data", lambda: None)
    made = tool.make_comparison(tool.parse_args([]))
    by_name = {(arm.group, arm.name): arm for arm in made.arms}
    once = [arm for arm in RATE_ARMS if arm.name in WITHOUT_RATE]
    swept = {g: [a for a in RATE_ARMS if a.group == g and a not in once] for g in RATE_VALUES}
    assert len(by_name) == len(once) + sum(len(swept[g]) * len(v) for g, v in RATE_VALUES.items())
    relative = by_name["SGD", "relative,lr=0.5"]
    assert relative.options == ("optim_wrapper.optimizer.lr=0.5",)
    assert relative.read().optim_wrapper.optimizer.lr == 0.5
    assert by_name["AdamW", "relative,lr=1e-5"].read().optim_wrapper.optimizer.type == "AdamW"
    assert ("SGD", "dog") in by_name and ("AdamW", "prodigy") in by_name
    assert list(made.tests.values()) == ["test_dataloader", "val_dataloader"]
    assert made.seeds == [0, 1, 2] and str(made.out) == "work_dirs/robustness"
    for arm in RATE_ARMS:  # all configs are there
        arm.read()


def test_oracle_command(tmp_path):
    tool = load_tool("analysis/oracle_sweep")
    with pytest.raises(ValueError, match="CONFIG: got None"):
        tool.make_comparison(tool.parse_args([]))
    with pytest.raises(ValueError, match="--against: got .*; allowed: NAME=CONFIG"):
        tool.make_comparison(tool.parse_args(["a.py"]))
    with pytest.raises(ValueError, match="--test: got 'x'; allowed: NAME=DATALOADER"):
        tool.make_comparison(tool.parse_args(["a.py", "--against", "b=b.py", "--test", "x"]))
    base = "configs/asg/carla2camvid_baseline.py"
    relative = "relative=configs/asg/carla2camvid_relative.py"
    made = tool.make_comparison(tool.parse_args([base, "--against", relative]))
    assert len(made.arms) == 16 and made.arms[-1].options == ()
    assert made.arms[4].read().optim_wrapper.paramwise_cfg.lr_mult == 0.1
