import json

import pytest
import torch
from l2o_toy import toy_config
from load_tool import load_tool
from mmengine.config import Config
from PIL import Image

from mmasg.l2o import EnvironmentStep, LSTMPolicy, NegativeLossReward
from mmasg.l2o.policy_evaluation import interval, mean_reward, t_quantile


def test_controllers_see_the_same_episodes(tmp_path, capsys):
    tool = load_tool("analysis/evaluate_policy")
    environment = dict(config=toy_config(tmp_path / "env", max_iters=12), window=4)
    environment["config"] = environment["config"]._cfg_dict.to_dict()
    Config(dict(train_cfg=dict(environments=environment))).dump(tmp_path / "meta.py")
    torch.save(LSTMPolicy(num_groups=3).state_dict(), tmp_path / "policy.pth")
    arguments = [
        "--policy",
        str(tmp_path / "policy.pth"),
        "--constant",
        "0",
        "1",
        "--random",
        "--hand-set",
    ]
    arguments += ["--episodes", "2", "--out", str(tmp_path / "result.json")]
    tool.main([str(tmp_path / "meta.py"), *arguments])
    result = json.loads((tmp_path / "result.json").read_text())
    losses = result["losses"]
    assert list(losses)[1:] == ["random", "constant 0", "constant 1", "hand-set"]
    for runs in losses.values():
        assert [len(run) for run in runs] == [3, 3]
        # The first window is at multiplier 1 for everybody.
        assert [run[0] for run in runs] == [run[0] for run in losses["constant 1"]]
    assert losses["constant 0"] != losses["constant 1"]
    row = result["summary"]["constant 0"]
    means = [(run[1] + run[2]) / 2 for run in losses["constant 0"]]
    assert row["mean_loss"][0] == pytest.approx(sum(means) / 2, abs=1e-12)
    assert row["mean_loss"][1] == pytest.approx(abs(means[0] - means[1]) / 2)  # sd / sqrt(2)
    # The config's reward is the default: the decrease, whose mean over two windows telescopes.
    decreases = [(run[0] - run[2]) / 2 for run in losses["constant 0"]]
    assert row["reward"][0] == pytest.approx(sum(decreases) / 2)
    first = next(iter(result["summary"].values()))
    assert first["advantage"] == [0.0, 0.0]
    assert row["advantage"][0] == pytest.approx(first["reward"][0] - row["reward"][0])
    output = capsys.readouterr().out
    assert "| constant 0 |" in output
    assert "over constant 0: " in output and "95% interval" in output


def test_what_is_no_evaluation(tmp_path):
    tool = load_tool("analysis/evaluate_policy")
    (tmp_path / "plain.py").write_text("train_cfg = dict(max_iters=3)")
    with pytest.raises(ValueError, match="config: got .*plain.py'; allowed: a meta-training's"):
        tool.main([str(tmp_path / "plain.py")])
    with pytest.raises(ValueError, match="--episodes: got 0"):
        tool.main([str(tmp_path / "plain.py"), "--episodes", "0"])


def test_a_diverged_episode_earns_the_lowest():
    reward = NegativeLossReward(bound=9.0)
    windows = [EnvironmentStep(None, loss, False, False) for loss in (3.0, 2.0, 1.0)]
    assert mean_reward(windows, reward) == -1.5
    windows[-1] = EnvironmentStep(None, float("nan"), True, True)
    assert mean_reward(windows, reward) == -5.5


def test_intervals_are_student_s():
    # 0.975 quantiles of Student's t, as tables have them.
    for freedom, value in {1: 12.706, 2: 4.303, 3: 3.182, 11: 2.201, 29: 2.045}.items():
        assert t_quantile(0.975, freedom) == pytest.approx(value, rel=2e-3)
    low, high = interval([1.0, 2.0, 3.0])
    assert (low + high) / 2 == 2 and high - 2 == pytest.approx(4.303 / 3**0.5, rel=1e-3)


def test_rewards_of_a_training_as_table_and_picture(tmp_path, capsys):
    tool = load_tool("analysis/plot_rewards")
    log = tmp_path / "run" / "20260101" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    rows = [
        dict(step=s, reward=s / 10, entropy=2.0, mean_multiplier=0.5, window_task_loss=1.0)
        for s in range(1, 46)
    ]
    log.write_text("\n".join(map(json.dumps, [*rows, dict(step=45, **{"episode/number": 9})])))
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(json.dumps(dict(summary=dict(random=dict(reward=[2.0, 0.1])))))
    arguments = ["--evaluation", str(evaluation), "--out", str(tmp_path / "r.png")]
    tool.main([str(tmp_path / "run"), *arguments])
    output = capsys.readouterr().out
    assert "| 1 to 25 | 1.300 | 2.000 | 0.500 | 1.000 |" in output
    assert "| 26 to 45 | 3.550 |" in output
    with Image.open(tmp_path / "r.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10
    with pytest.raises(ValueError, match="--block: got 0"):
        tool.main([str(tmp_path / "run"), "--block", "0"])
    log.write_text(json.dumps(dict(step=1, loss=1.0)))
    with pytest.raises(ValueError, match="has no 'reward'.*policy's training"):
        tool.main([str(tmp_path / "run")])
