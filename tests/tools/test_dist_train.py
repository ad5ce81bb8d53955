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


def test_launcher_gives_each_process_its_threads(tmp_path):
    # Without OMP_NUM_THREADS the processes share the machine's cores among them.
    code = tmp_path / "threads.py"
    code.write_text(
        "import sys, argparse, torch\n"
        "from mmasg.command_line import add_common_arguments, read_config\n"
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
