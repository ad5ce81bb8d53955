import importlib.util
import json
from pathlib import Path

import torch
from l2o_toy import toy_config
from mmengine.config import Config

from mmasg.l2o import LSTMPolicy

ROOT = Path(__file__).parents[2]


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / "analysis" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_controllers_see_the_same_episodes(tmp_path, capsys):
    tool = load_tool("evaluate_policy")
    environment = dict(config=toy_config(tmp_path / "env", max_iters=12), window=4)
    environment["config"] = environment["config"]._cfg_dict.to_dict()
    Config(dict(train_cfg=dict(environments=environment))).dump(tmp_path / "meta.py")
    torch.save(LSTMPolicy(num_groups=3).state_dict(), tmp_path / "policy.pth")
    arguments = ["--policy", str(tmp_path / "policy.pth"), "--constant", "0", "1", "--random"]
    arguments += ["--episodes", "2", "--out", str(tmp_path / "result.json")]
    tool.main([str(tmp_path / "meta.py"), *arguments])
    result = json.loads((tmp_path / "result.json").read_text())
    losses = result["losses"]
    assert len(losses) == 4
    for runs in losses.values():
        assert [len(run) for run in runs] == [3, 3]
        # The first window is at multiplier 1 for everybody.
        assert [run[0] for run in runs] == [run[0] for run in losses["constant 1"]]
    assert losses["constant 0"] != losses["constant 1"]
    row = result["summary"]["constant 0"]
    flat = [loss for run in losses["constant 0"] for loss in run[1:]]
    assert abs(row["mean_loss"] - sum(flat) / len(flat)) < 1e-12
    assert "constant 0" in capsys.readouterr().out
