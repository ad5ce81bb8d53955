import pytest
from l2o_toy import GROUPS, toy_runner
from load_tool import load_tool
from PIL import Image

from mmasg.visualization.scalar_log import read_multipliers


def test_picture_from_the_log_of_a_run(tmp_path, capsys):
    tool = load_tool("analysis/plot_lr_policy")
    hook = dict(policy=None, mode="random", window=5)
    toy_runner(tmp_path / "run", hook=hook, max_iters=24).train()
    steps = read_multipliers(tmp_path / "run")
    assert {0, 5, 10, 15, 20, 24} <= set(steps)
    assert all(list(row) == GROUPS for row in steps.values())
    assert all(0 <= value <= 1 for row in steps.values() for value in row.values())
    tool.main([str(tmp_path / "run"), "--out", str(tmp_path / "rates.png")])
    with Image.open(tmp_path / "rates.png") as picture:
        colours = len(picture.convert("RGB").getcolors(1 << 24))
    assert colours > 10  # more than an empty page


def test_errors(tmp_path):
    tool = load_tool("analysis/plot_lr_policy")
    with pytest.raises(FileNotFoundError, match="give the work dir of a training"):
        tool.main([str(tmp_path)])
    log = tmp_path / "run" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 10}\n')
    with pytest.raises(ValueError, match="has no 'lr_mult/<group>'.*LayerLRPolicyHook"):
        tool.main([str(tmp_path)])
