import pytest
import torch
from load_tool import load_tool
from mini_run import write_config
from mmengine.config import Config

from mmasg.visualization.scalar_log import read_multipliers


@pytest.fixture(scope="module")
def soak():
    return load_tool("soak")


@pytest.mark.slow
def test_three_killed_runs_resume_to_the_same_bits(soak, tmp_path, capsys):
    config = Config.fromfile(write_config(tmp_path / "config"))
    same = soak.soak(config, tmp_path, kills=3, iterations=14, interval=3, seed=1)
    output = capsys.readouterr().out
    assert same == 3, output
    # They were killed, and the method was on: the log holds decisions of a policy.
    assert output.count("killed in iteration") == 3
    log = read_multipliers(tmp_path / "run_1")
    assert len({tuple(row.values()) for row in log.values()}) > 2
    assert max(log) == 14


def test_a_difference_of_one_bit_is_found(soak):
    a = dict(x=[torch.tensor([1.0, float("nan")]), 3], y=dict(z=(0.0,)))
    b = dict(x=[torch.tensor([1.0, float("nan")]), 3], y=dict(z=(0.0,)))
    assert soak.differences(a, b, "c") == []
    b["x"][0][0] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    b["y"]["extra"] = 1
    assert soak.differences(a, b, "c") == ["c.x[0]", "c.y.extra"]
