"""Damaged files: whatever is wrong with them, what comes out is an error of ours, and soon."""

import io
import random
import traceback
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_toy import EngineToyModel, run_toy, toy_config
from mmengine.logging import HistoryBuffer

import mmasg
from mmasg.checkpoint.checkpoint_fit import fit
from mmasg.checkpoint.imagenet_file import read_imagenet_file
from mmasg.checkpoint.plain_data import from_plain, to_plain
from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.guard.step_dump import load_step_dump
from mmasg.l2o import LSTMPolicy
from mmasg.l2o.policy_file import build_policy

OURS = (ValueError, TypeError, FileNotFoundError)
HOME = str(Path(mmasg.__file__).parent)


def flip(draw, data):
    data = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def cut(draw, data):
    return data[: draw.randrange(len(data))]


def splice(draw, data):
    """Copy a piece of the file over, or into, another place."""
    start, place = draw.randrange(len(data)), draw.randrange(len(data))
    piece = data[start : start + draw.randint(1, 40)]
    return data[:place] + piece + data[place + draw.choice([0, len(piece)]) :]


def inside(change):
    """Change the pickle within the archive, or a tensor's bytes, and close the archive well."""

    def changed(draw, data):
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            parts = {name: file.read(name) for name in file.namelist()}
        pickle = next(name for name in parts if name.endswith("data.pkl"))
        name = pickle if draw.random() < 0.8 else draw.choice(sorted(parts))
        parts[name] = change(draw, parts[name] or b"\0")
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as file:
            for name, part in parts.items():
                file.writestr(name, part)
        return target.getvalue()

    return changed


CHANGES = [flip, cut, splice, inside(flip), inside(cut), inside(splice)]


def training_checkpoint(folder):
    run_toy(toy_config(folder / "run", max_iters=2))
    content = torch.load(folder / "run" / "iter_2.pth", weights_only=False)
    history = HistoryBuffer([1.0], [1])
    arrays = dict(a=np.arange(3), b=np.array(["x"]), c=np.float16(1), d=history)
    return dict(content, extra=arrays)


def policy_checkpoint(folder):
    policy = LSTMPolicy(num_groups=2, hidden_size=3)
    return dict(state_dict=policy.state_dict(), meta=dict(multipliers=list(policy.multipliers)))


def step_dump(folder):
    batch = to_plain(dict(inputs=[torch.rand(2)], data_samples=[(np.arange(2), "a")]))
    return dict(version=1, batch=batch, state_dict={}, config="{}")


def read_training(path):
    load_checkpoint(path, "cpu")
    fit(EngineToyModel(), read_imagenet_file(str(path), "key"))


def read_policy(path):
    policy = build_policy(str(path))
    with torch.no_grad():
        policy(torch.rand(1, policy.num_scalars + policy.num_groups))


def read_dump(path):
    from_plain(load_step_dump(path)["batch"])


@pytest.mark.parametrize(
    "make, read",
    [
        (training_checkpoint, read_training),
        (policy_checkpoint, read_policy),
        (step_dump, read_dump),
    ],
)
def test_damaged_files_give_errors_of_ours(tmp_path, make, read):
    path = tmp_path / "whole.pth"
    torch.save(make(tmp_path), path)
    whole = path.read_bytes()
    read(path)
    refused = 0
    for seed in range(240):
        draw = random.Random(seed)
        path = tmp_path / "damaged.pth"
        path.write_bytes(CHANGES[seed % len(CHANGES)](draw, whole))
        try:
            read(path)
        except OURS as error:
            refused += 1
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            assert where.startswith(HOME), f"seed {seed}: {type(error).__name__} of {where}"
            assert len(str(error)) > 20, f"seed {seed}: {error}"
    assert refused > 150, "most damages are found"
