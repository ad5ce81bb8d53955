import importlib.util
from pathlib import Path

import pytest
from l2o_toy import GROUPS, toy_runner
from PIL import Image

ROOT = Path(__file__).parents[2]


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / "analysis" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_picture_from_the_log_of_a_run(tmp_path, capsys):
    tool = load_tool("plot_lr_policy")
    hook = dict(policy=None, mode="random", window=5)
    toy_runner(tmp_path / "run", hook=hook, max_iters=24).train()
    steps, groups, last = tool.read_multipliers(tool.find_log(tmp_path / "run"))
    assert list(groups) == GROUPS and last == 24
    assert {0, 5, 10, 15, 20} <= set(steps)
    assert all(0 <= value <= 1 for values in groups.values() for value in values)
    tool.main([str(tmp_path / "run"), "--out", str(tmp_path / "rates.png")])
    with Image.open(tmp_path / "rates.png") as picture:
        colours = len(picture.convert("RGB").getcolors(1 << 24))
    assert colours > 10  # more than an empty page


def test_errors(tmp_path):
    tool = load_tool("plot_lr_policy")
    with pytest.raises(FileNotFoundError, match="LayerLRPolicyHook"):
        tool.find_log(tmp_path)
    (tmp_path / "log.json").write_text('{"loss": 1.0, "step": 10}\n')
    with pytest.raises(ValueError, match="has no 'lr_mult/<group>'"):
        tool.read_multipliers(tmp_path / "log.json")
