import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from seg_toy import fcn_head, resnet18, segmentor, toy_config, train, write_imagenet_file

SCRIPT = Path(__file__).parents[1] / "ddp_script.py"
CAP = 2e-4


def config_for(folder, imagenet, batch_size, hooks=(), **options):
    # Batch statistics of a new norm differ between one process and two: a head without one.
    head = fcn_head()
    head["norm_cfg"] = None
    return toy_config(
        folder,
        segmentor(resnet18(imagenet), head),
        dict(loss_weight=2.0, **options),
        batch_size=batch_size,
        max_iters=3,
        hooks=hooks,
    )


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def on_two_ranks(folder, config):
    folder.mkdir()
    config = dict(
        config,
        launcher="pytorch",
        work_dir=str(folder / "run"),
        env_cfg=dict(dist_cfg=dict(backend="gloo")),
        model_wrapper_cfg=dict(
            type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False
        ),
        port=free_port(),
        at=2,
    )
    (folder / "config.json").write_text(json.dumps(config))
    env = dict(os.environ, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    ranks = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), "2", str(folder)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        output, _ = rank.communicate(timeout=500)
        assert rank.returncode == 0, output[-3000:]
    return [torch.load(folder / f"rank{r}.pt") for r in range(2)]


@pytest.fixture
def imagenet(tmp_path):
    return write_imagenet_file(tmp_path / "r18.pth", resnet18())


@pytest.mark.skipif(torch.cuda.is_available(), reason="compares gloo ranks on CPUs")
@pytest.mark.parametrize("cap", [None, CAP])
def test_two_ranks_are_one_process_with_both_batches(tmp_path, imagenet, cap):
    """Each rank has half of the batch: losses are means over images, so gradients agree."""
    ranks = on_two_ranks(tmp_path / "two", config_for(tmp_path, imagenet, 2, max_weighted_loss=cap))
    assert [r["wrapper"] for r in ranks] == ["MMDistributedDataParallel"] * 2
    one = config_for(tmp_path / "one", imagenet, 4, max_weighted_loss=cap)
    # Two ranks interleave the images: 0 2 | 1 3, then 4 6 | 5 7, one process sees 0 1 2 3.
    _, seen = train(one, at=2)
    kl, weighted = (
        sum(r["log"][2][key] for r in ranks) / 2 for key in ("kl_imagenet", "loss_imagenet")
    )
    assert kl == pytest.approx(seen.log[2]["kl_imagenet"], rel=1e-3)
    for name, value in seen.gradients.items():
        if value is None:
            continue
        assert torch.equal(ranks[0]["gradients"][name], ranks[1]["gradients"][name])
        ours = ranks[0]["gradients"][name]
        # Two steps before this one have gathered float32 rounding (1e-6 of each weight's step).
        assert (ours - value).norm() <= 1e-3 * value.norm() + 1e-7, name
    if cap is not None:
        assert 2.0 * seen.log[2]["kl_imagenet"] > 2 * cap
        # One weight for both ranks, from the averaged KL: the averaged loss is the cap.
        assert weighted == pytest.approx(cap, rel=1e-4)
        ratios = [r["log"][2]["loss_imagenet"] / r["log"][2]["kl_imagenet"] for r in ranks]
        assert ratios == pytest.approx([cap / kl] * 2, rel=1e-4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="compares gloo ranks on CPUs")
def test_contrast_of_two_ranks_is_that_of_one_process(tmp_path, imagenet):
    """Keys of both ranks are negatives and fill the bank; projections learn from both."""
    # Laid out after the wrapping, the first gradients would be permuted.
    hooks = [dict(type="ChannelsLastHook")]
    loss = dict(type="ContrastiveAgreement", stages=[2, 3], projection=8, bank_size=8)
    ranks = on_two_ranks(tmp_path / "two", config_for(tmp_path, imagenet, 2, hooks, loss=loss))
    _, seen = train(config_for(tmp_path / "one", imagenet, 4, hooks, loss=loss), at=2)
    for step in range(3):
        mean = sum(r["log"][step]["contrast_imagenet"] for r in ranks) / 2
        assert mean == pytest.approx(seen.log[step]["contrast_imagenet"], rel=1e-4)
    for name, value in seen.gradients.items():
        if value is not None:
            ours = ranks[0]["gradients"][name]
            assert torch.equal(ours, ranks[1]["gradients"][name])
            assert (ours - value).norm() <= 1e-3 * value.norm() + 1e-7, name
