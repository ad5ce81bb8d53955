"""Several processes on a CPU, through the launcher and gloo."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from mini_run import ROOT, write_config

TESTS = str(ROOT / "tests")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def environment(**extra):
    path = os.pathsep.join([str(ROOT), TESTS, os.environ.get("PYTHONPATH", "")])
    return dict(
        os.environ,
        PYTHONPATH=path,
        OMP_NUM_THREADS="1",
        PYTHON=sys.executable,
        PORT=free_port(),
        **extra,
    )


def launch(command, folder, **extra):
    done = subprocess.run(
        list(map(str, command)),
        env=environment(RECORD=str(folder), **extra),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {p.stem: torch.load(p, weights_only=True) for p in sorted(folder.glob("rank*.pth"))}


def close(a, b, tolerance):
    return max((a[k].double() - b[k].double()).abs().max().item() for k in a) < tolerance


@pytest.mark.slow
def test_two_ranks_are_one_process_with_twice_the_batch(tmp_path):
    cap = 1e-4  # reached in the course of the training: before, the loss is w * KL
    hooks = [dict(type="RecordHook")]
    one, two = tmp_path / "one", tmp_path / "two"
    # A rate at which a training on noise does not diverge: there rounding grows without bound.
    common = dict(hooks=hooks, cap=cap, lr=6e-4, weight=1.0)
    config = write_config(tmp_path / "config", batch_size=2, **common)
    text = config.read_text() + "\ncustom_imports = dict(imports=['mmasg', 'record_hook'])\n"
    config.write_text(text)
    half = config.with_name("half.py")
    half.write_text(text.replace("batch_size=2", "batch_size=1"))
    one.mkdir()
    single = launch(
        [sys.executable, "tools/train.py", config, "--work-dir", tmp_path / "run1"], one
    )
    two.mkdir()
    ranks = launch(["bash", "tools/dist_train.sh", half, "2", "--work-dir", tmp_path / "run2"], two)
    assert list(single) == ["rank0"] and list(ranks) == ["rank0", "rank1"]
    single, first, second = single["rank0"], ranks["rank0"], ranks["rank1"]
    assert len(single["multipliers"]) == 20
    # Equal policy decisions, and there were some.
    assert first["multipliers"] == second["multipliers"] == single["multipliers"]
    assert len(set(map(tuple, single["multipliers"]))) > 3
    # The two ranks had the images of the one process, half each.
    for both, a, b in zip(single["images"], first["images"], second["images"], strict=True):
        assert sorted(both) == sorted(a + b)
    # Ranks stay equal bit for bit. Against one process, sums over the batch are taken in another
    # order: a few roundings of 6e-8 in 20 steps.
    assert all(torch.equal(first["weights"][k], second["weights"][k]) for k in first["weights"])
    assert close(single["weights"], first["weights"], 1e-5)
    # The weights have moved by far more than that, and the consistency loss was there.
    start = single["start"]
    assert not close(start, single["weights"], 3e-4)
    assert single["kl"][-1] > 1e-4
    averaged = [(a + b) / 2 for a, b in zip(first["kl"], second["kl"], strict=True)]
    # KL is a mean over images; float32 with logits of size 10 gives it to 1e-6, and at weights that
    # differ by 5e-7 it is another by a few 1e-6.
    assert averaged == pytest.approx(single["kl"], abs=1e-5)
    # The cap holds for the mean over ranks, not for each of them.
    weighted = [(a + b) / 2 for a, b in zip(first["weighted"], second["weighted"], strict=True)]
    assert max(weighted) == pytest.approx(cap, rel=1e-4)
    assert max(single["weighted"]) == pytest.approx(cap, rel=1e-4)
    below = [(k, w) for k, w in zip(single["kl"], single["weighted"], strict=True) if k < cap]
    assert max(k for k, _ in below) > 1e-5 and all(k == w for k, w in below)


def test_launcher_gives_each_process_its_threads(tmp_path):
    # Without OMP_NUM_THREADS the processes share the machine's cores among them.
    code = tmp_path / "threads.py"
    code.write_text(
        "import sys, argparse, torch\n"
        "from mmasg.commands.command_line import add_common_arguments, read_config\n"
        "parser = argparse.ArgumentParser(); parser.add_argument('config')\n"
        "add_common_arguments(parser)\n"
        "read_config(parser.parse_args())\n"
        "print('threads', torch.get_num_threads())\n"
    )
    config = tmp_path / "config.py"
    config.write_text("env_cfg = dict(dist_cfg=dict(backend='nccl'))\n")
    env = environment()
    del env["OMP_NUM_THREADS"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--master_port", env["PORT"], str(code), str(config), "--launcher", "pytorch"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = {1, max(1, (os.cpu_count() or 1) // 2)}  # torchrun itself sets 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("threads")]
    assert len(lines) == 2 and {int(line.split()[1]) for line in lines} <= expected


@pytest.mark.gpu
def test_nccl_and_mmengine_fsdp_wrapper(tmp_path):
    """One process on one GPU through NCCL, then through mmengine's FSDP strategy."""
    config = write_config(tmp_path / "config", max_iters=4)
    common = ["bash", "tools/dist_train.sh", config, "1", "--work-dir"]
    launch([*common, tmp_path / "nccl"], tmp_path)
    options = [
        "runner_type=FlexibleRunner",
        "strategy.type=FSDPStrategy",
        "strategy.model_wrapper.type=MMFullyShardedDataParallel",
        "strategy.model_wrapper.use_orig_params=True",
    ]
    launch([*common, tmp_path / "fsdp", "--cfg-options", *options], tmp_path)
    assert (tmp_path / "fsdp" / "last_checkpoint").is_file()
