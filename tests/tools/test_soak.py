import pytest
import torch
from load_tool import load_tool
from mini_run import write_config
from mmengine.config import Config

from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.visualization.scalar_log import read_multipliers


@pytest.fixture(scope="module")
def soak():
    return load_tool("soak")


TEST = """
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    _delete_=True, batch_size=1, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='GTA5Dataset', data_root={data!r}, ann_file='train.txt',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs')]))
test_evaluator = dict(_delete_=True, type='IoUMetric', iou_metrics=['mIoU'])
"""


@pytest.mark.slow
def test_two_killed_runs_resume_to_the_same_bits(soak, tmp_path, capsys):
    # With the policy on, gradients summed over two iterations where checkpoints come every third,
    # averaged weights, and tests in the same work dir at random moments.
    path = write_config(tmp_path / "config")
    data = Config.fromfile(path).train_dataloader.dataset.dataset.data_root
    path.write_text(path.read_text() + TEST.format(data=data))
    same = soak.soak(
        Config.fromfile(path), tmp_path, kills=2, iterations=14, interval=3, seed=1, accumulate=2
    )
    output = capsys.readouterr().out
    assert same == 2, output
    # They were killed, and the method was on: the log holds decisions of a policy.
    assert output.count("killed in iteration") == 2
    log = read_multipliers(tmp_path / "run_1")
    assert len({tuple(row.values()) for row in log.values()}) > 2
    assert max(log) == 14
    logs = [p.read_text() for p in (tmp_path / "run_1").glob("*/*.log")]
    assert sum(log.count("mIoU: ") for log in logs) == 2, "one beside each of its two trainings"
    saved = load_checkpoint(tmp_path / "whole" / "iter_12.pth")
    assert "ema_state_dict" in saved and "accumulated_gradients" not in saved


def test_a_difference_of_one_bit_is_found(soak):
    a = dict(x=[torch.tensor([1.0, float("nan")]), 3], y=dict(z=(0.0,)))
    b = dict(x=[torch.tensor([1.0, float("nan")]), 3], y=dict(z=(0.0,)))
    assert soak.differences(a, b, "c") == []
    b["x"][0][0] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    b["y"]["extra"] = 1
    assert soak.differences(a, b, "c") == ["c.x[0]", "c.y.extra"]
