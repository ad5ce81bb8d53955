import json

import pytest
from quick_run import QuickRun, write_config

from mmasg.benchmark import comparison as module
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.oracle import oracle_arms, write_oracle

CONFIG = """
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20)
test_dataloader = dict(dataset=dict(type='SegToyDataset'))
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=dict(preset='resnet', lr_mult=0.1))
"""


@pytest.fixture
def comparison(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Run", QuickRun)
    scores = {"hand-set,lr=0.1,lr_mult=0.1": 35.0, "hand-set,lr=1,lr_mult=1": 33.0, "ours": 36.5}
    monkeypatch.setattr(QuickRun, "scores", scores)
    config = write_config(tmp_path, text=CONFIG)
    arms = oracle_arms(config, ["0.1", "1"], ["1", "0.1"], {"ours": config})
    return Comparison(tmp_path / "out", {"target": "test_dataloader"}, arms, [0, 1])


def test_the_best_cell_is_held_against_the_arms_as_they_are(comparison, capsys):
    assert [arm.name for arm in comparison.arms][:2] == [
        "hand-set,lr=0.1,lr_mult=1",
        "hand-set,lr=0.1,lr_mult=0.1",
    ]
    assert comparison.run() == []
    files = write_oracle(comparison)
    text = files[0].read_text()
    assert text in capsys.readouterr().out + "\n"
    # Other cells of QuickRun come to 30 and 31.
    assert "| body x | 0.1 | 1 |" in text and "| 1 | 30.50 ± 0.71 | 33.50 ± 0.71 |" in text
    assert "| 0.1 | **35.50 ± 0.71** | 30.50 ± 0.71 |" in text
    best = "hand-set, the best of 4 by the target's labels (an oracle no user has): 0.1, body x 0.1"
    assert f"| {best} | 35.00 | 36.00 | 35.50 ± 0.71 |  |" in text
    assert "| ours, as it is | 36.50 | 37.50 | 37.00 ± 0.71 | +1.50 (0.00) |" in text
    numbers = json.loads(files[1].read_text())
    assert numbers["best"] == dict(lr=0.1, body=0.1)
    assert numbers["against"]["ours"]["difference"]["mean"] == 1.5


def test_a_cell_of_fewer_seeds_is_not_chosen(comparison):
    comparison.run()
    (comparison.out / "results/hand-set,lr=0.1,lr_mult=0.1_seed1.json").unlink()
    write_oracle(comparison)
    assert json.loads((comparison.out / "oracle.json").read_text())["best"] == dict(lr=1, body=1)


def test_nothing_hand_set(comparison):
    comparison.arms = comparison.arms[-1:]
    comparison.run()
    with pytest.raises(FileNotFoundError, match="no results of hand-set arms below"):
        write_oracle(comparison)


def test_a_config_without_a_preset(tmp_path):
    text = CONFIG.replace("preset='resnet', lr_mult=0.1", "groups=[]")
    config = write_config(tmp_path, text=text)
    with pytest.raises(ValueError, match=r"paramwise_cfg: got .*allowed: a preset.*--name-option"):
        oracle_arms(config, ["1"], ["1"], {})
