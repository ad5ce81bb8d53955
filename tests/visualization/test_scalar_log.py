"""Logs that are damaged, or of something else, give errors of ours: no other traceback, no hang."""

import json
import traceback

import numpy as np
import pytest

import mmasg
from mmasg.visualization.rate_chart import plot_multipliers
from mmasg.visualization.reward_curve import plot_rewards, read_levels, read_updates, reward_table
from mmasg.visualization.scalar_log import read_multipliers, read_scalars

UPDATE = dict(reward=0.1, entropy=2.0, mean_multiplier=0.5, window_task_loss=1.0)
RECORDS = [
    {"loss": 2.0 - 0.1 * i, "lr": 0.1, "lr_mult/a": 0.5, "lr_mult/b": 1.0, **UPDATE, "step": i}
    for i in range(1, 7)
]


def write_log(folder, lines, stamp="1"):
    path = folder / stamp / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(lines).encode() if isinstance(lines, list) else lines)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken}", r"scalars.json, line 2: this is no line that mmengine logs .*was damaged"),
        ("[1, 2]", "line 2: .*it is a list"),
        ('{"loss": "high", "step": 2}', "line 2: .*'loss' is 'high', no number"),
        ('{"loss": true, "step": 2}', "'loss' is True, no number"),
        ('{"loss": 1.0}', "its step is None"),
        ('{"loss": 1.0, "step": 1.5}', "its step is 1.5"),
        ("[" * 100_000, "line 2: this is no line"),
    ],
)
def test_a_line_that_is_none_of_a_log(tmp_path, line, message):
    write_log(tmp_path, ['{"loss": 1.0, "step": 1}', line, '{"loss": 1.0, "step": 3}'])
    with pytest.raises(ValueError, match=message) as caught:
        read_scalars(tmp_path)
    assert type(caught.value) is ValueError


def test_logs_of_two_trainings_in_one_folder(tmp_path):
    write_log(tmp_path, ['{"lr_mult/a": 1.0, "step": 1}'], "1")
    write_log(tmp_path, ['{"lr_mult/b": 1.0, "step": 2}'], "2")
    with pytest.raises(ValueError, match=r"different layer groups: \('a',\) and \('b',\)"):
        read_multipliers(tmp_path)


def test_updates_without_what_the_table_needs(tmp_path):
    write_log(tmp_path, ['{"reward": 1.0, "entropy": 1.0, "step": 1}'])
    with pytest.raises(ValueError, match="has no mean_multiplier, window_task_loss in some update"):
        read_updates(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "--evaluation: .*e.json is no whole JSON file"),
        ("[]", "holds a list, and it has to hold an object"),
        ("{}", "has no summary of rewards"),
        ('{"summary": {"policy": {"reward": [1]}}}', r"got \[1\]; allowed: a mean and its error"),
        ('{"summary": {"policy": 3}}', "got None; allowed: a mean and its error"),
    ],
)
def test_evaluations_that_are_none(tmp_path, text, message):
    with pytest.raises(FileNotFoundError, match=r"evaluate_policy.py --out writes it"):
        read_levels(tmp_path / "e.json")
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_levels(tmp_path / "e.json")
    assert type(caught.value) is ValueError


def mutate(data, generator):
    data = bytearray(data)
    kind = generator.integers(4)
    if kind == 0:
        return data[: generator.integers(len(data))]
    for _ in range(generator.integers(1, 6)):
        place = generator.integers(len(data))
        if kind == 1:
            data[place] = generator.integers(256)
        elif kind == 2:
            del data[place : place + generator.integers(1, 30)]
        else:
            other = generator.integers(len(data))
            data[place:place] = data[other : other + generator.integers(1, 60)]
    return data


def read_everything(folder):
    for read in (read_scalars, read_multipliers, read_updates):
        read(folder)
    reward_table(read_updates(folder), 3)


def test_three_hundred_damaged_logs(tmp_path):
    whole = "\n".join(map(json.dumps, RECORDS)).encode()
    write_log(tmp_path, bytes(whole))
    read_everything(tmp_path)
    plot_multipliers({"whole": tmp_path}, tmp_path / "rates.png")
    plot_rewards({"whole": read_updates(tmp_path)}, tmp_path / "rewards.png")
    generator = np.random.default_rng(0)
    package = mmasg.__path__[0]
    refused = 0
    for _ in range(300):
        write_log(tmp_path, bytes(mutate(whole, generator)))
        try:
            read_everything(tmp_path)
        except Exception as error:
            refused += 1
            assert type(error) in (ValueError, FileNotFoundError), error
            assert package in "".join(traceback.format_tb(error.__traceback__)[-1:])
    assert 100 < refused < 300
