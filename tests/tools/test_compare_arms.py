import sys

import pytest
from load_tool import load_tool
from quick_run import QuickRun, write_config

from mmasg.benchmark import comparison


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(comparison, "Run", QuickRun)
    monkeypatch.setattr(QuickRun, "scores", {"a": 30.0, "b": 34.0})
    monkeypatch.chdir(tmp_path)
    tool = load_tool("compare_arms")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare_arms.py", *map(str, arguments)])
        code = tool.main()
        return code, capsys.readouterr().out

    return run


def test_configs_seeds_and_the_table_alone(tmp_path, run):
    configs = [write_config(tmp_path, name) for name in ("a.py", "b.py")]
    tests = ("--tests", "real=test_dataloader", "source=source_dataloader")
    code, out = run(*configs, "--seeds", 0, 1, "--out", "work", *tests, "--also-at", 10)
    assert code == 0
    assert "| b | 34.00 | 35.00 | 34.50 ± 0.71 | +4.00 ± 0.00 (0.00) | 33.50 ± 0.71 |" in out
    code, again = run("--out", "work", "--table-only", "--reference", "b", "--only", "a", "b")
    assert code == 0
    assert "mIoU real" in again and "**mIoU, at 10**" in again
    assert "| a | 30.00 | 31.00 | 30.50 ± 0.71 | -4.00 ± 0.00 (0.00) | 29.50 ± 0.71 |" in again
    # Of one seed and one of the tests alone.
    _, part = run("--out", "work", "--table-only", "--seeds", 1, "--tests", "s=source_dataloader")
    assert "| b | 34.00 | 34.00 ± - | +4.00 ± - (-) |" in part and "seed 0" not in part


def test_sets_of_options_are_arms(tmp_path, run):
    config = write_config(tmp_path)
    code, out = run(
        config, "--name-option", "a:lr=0.2", "--name-option", "plain:", "--seeds", 0, "--out", "w"
    )
    assert code == 0 and "| a | 30.00 |" in out and "| plain |" in out
    assert (tmp_path / "w/results/a_seed0.json").is_file()


def test_a_failed_run_is_reported_and_the_others_are_shown(tmp_path, run):
    QuickRun.scores["b"] = None
    configs = [write_config(tmp_path, name) for name in ("b.py", "a.py")]
    code, out = run(*configs, "--seeds", 0, "--out", "work")
    assert code == 1
    assert "FAILED b_seed0: 'train' ended with code 3" in out and "| a | 30.00 |" in out


def test_bad_arguments(tmp_path, run):
    with pytest.raises(ValueError, match="--tests: got 'a='; allowed: NAME=DATALOADER"):
        run(write_config(tmp_path), "--tests", "a=")
    with pytest.raises(ValueError, match="--name-option: needs a config"):
        run("--name-option", "a:")
    with pytest.raises(FileNotFoundError, match="no results below"):
        run("--out", "nothing", "--table-only")


def test_without_configs_it_is_the_miniature(tmp_path, run, monkeypatch):
    tool = load_tool("compare_arms")
    monkeypatch.setattr(tool, "make_miniature_data", lambda: None)
    monkeypatch.setattr(sys, "argv", ["compare_arms.py", "--only", "seg", "--cfg-options", "a=1"])
    made = tool.make_comparison(tool.parse_args())
    names = ["seg_baseline", "seg_consistency", "seg_asg", "seg_random", "seg_fixed"]
    assert [arm.key for arm in made.arms] == names
    assert made.seeds == [0, 1, 2, 3, 4] and made.arms[0].options == ("a=1",)
    assert str(made.out) == "work_dirs/benchmark"
