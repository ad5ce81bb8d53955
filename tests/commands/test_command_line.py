import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmasg.commands import command_line
from mmasg.commands.command_line import (
    add_common_arguments,
    enable_amp,
    read_config,
    show_progress,
)

ROOT = Path(__file__).parents[2]


def parse(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    add_common_arguments(parser)
    return parser.parse_args(list(words))


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    path = tmp_path / "city_baseline.py"
    path.write_text(
        "model = dict(type='A', depth=1)\ntrain_cfg = dict(max_iters=5)\n"
        "optim_wrapper = dict(type='OptimWrapper')\nenv_cfg = dict(dist_cfg=dict(backend='nccl'))\n"
    )
    yield str(path)
    os.environ.pop("LOCAL_RANK", None)


def test_settings_from_the_command_line(config):
    cfg = read_config(parse(config, "--cfg-options", "train_cfg.max_iters=7", "model.sizes=[1,2]"))
    assert cfg.train_cfg.max_iters == 7 and cfg.model.sizes == [1, 2] and cfg.model.depth == 1
    assert cfg.work_dir == os.path.join("work_dirs", "city_baseline")
    assert cfg.launcher == "none" and cfg.env_cfg.dist_cfg.backend == "nccl"
    assert os.environ["LOCAL_RANK"] == "0"


def test_work_dir(config):
    assert read_config(parse(config, "--work-dir", "here")).work_dir == "here"
    assert read_config(parse(config, "--cfg-options", "work_dir=there")).work_dir == "there"


def test_local_rank_of_the_launcher(config, monkeypatch):
    read_config(parse(config, "--local-rank", "3"))
    assert os.environ["LOCAL_RANK"] == "3"
    monkeypatch.setenv("LOCAL_RANK", "1")
    read_config(parse(config, "--local_rank", "3"))
    assert os.environ["LOCAL_RANK"] == "1"


def test_missing_config_suggests_near_names(config):
    wrong = config.replace("city_baseline", "city_baselin")
    with pytest.raises(FileNotFoundError, match=r"config: no file .*baselin\.py' \(from .*Did you "
                       r"mean .*city_baseline\.py'\?"):  # fmt: skip
        read_config(parse(wrong))


def test_missing_folder_looks_among_the_shipped_configs(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'configs/asg/gta2cityscapes"):
        read_config(parse("asg/gta2cityscape.py"))


def test_without_accelerator_processes_talk_through_gloo(config, monkeypatch):
    threads = []
    monkeypatch.setattr(command_line, "has_accelerator", lambda: False)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cfg = read_config(parse(config, "--launcher", "pytorch"))
    assert cfg.env_cfg.dist_cfg.backend == "gloo"
    assert cfg.model_wrapper_cfg.device_ids is None
    assert threads == [2]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    read_config(parse(config, "--launcher", "pytorch"))
    assert threads == [2]  # what the user has set stands


def test_with_accelerator_the_backend_stays(config, monkeypatch):
    monkeypatch.setattr(command_line, "has_accelerator", lambda: True)
    cfg = read_config(parse(config, "--launcher", "pytorch"))
    assert cfg.env_cfg.dist_cfg.backend == "nccl" and "model_wrapper_cfg" not in cfg


def test_amp_needs_an_accelerator(monkeypatch):
    monkeypatch.setattr(command_line, "has_accelerator", lambda: False)
    with pytest.raises(ValueError, match=r"--amp: .*needs a GPU, and PyTorch found none \(torch "):
        enable_amp(Config(dict(optim_wrapper=dict(type="OptimWrapper"))))


def test_amp(monkeypatch):
    monkeypatch.setattr(command_line, "has_accelerator", lambda: True)
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type="SGD", lr=1))))
    enable_amp(cfg)
    assert cfg.optim_wrapper.type == "AmpOptimWrapper" and cfg.optim_wrapper.loss_scale == "dynamic"
    kept = Config(dict(optim_wrapper=dict(type="AmpOptimWrapper", loss_scale=512.0)))
    enable_amp(kept)
    assert kept.optim_wrapper.loss_scale == 512.0
    with pytest.raises(ValueError, match="optim_wrapper.type is 'Other', and only 'OptimWrapper'"):
        enable_amp(Config(dict(optim_wrapper=dict(type="Other"))))


@pytest.mark.skipif(torch.cuda.is_available(), reason="the error is for machines without a GPU")
@pytest.mark.slow
def test_train_command_says_so(config, tmp_path):
    done = subprocess.run(
        [sys.executable, "tools/train.py", config, "--amp", "--work-dir", str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT)),
    )
    assert done.returncode != 0
    assert "--amp: mixed-precision training needs a GPU" in done.stderr


def test_the_console_line_says_how_good_the_model_is():
    cfg = Config(dict(log_processor=dict(by_epoch=False, window_size=5)))
    show_progress(cfg)
    assert cfg.log_processor == dict(by_epoch=False, window_size=5, type="ProgressLogProcessor")
    for own in (dict(type="MyProcessor"), dict(type="ProgressLogProcessor", by_epoch=True)):
        cfg = Config(dict(log_processor=own))
        show_progress(cfg)
        assert cfg.log_processor == own
    cfg = Config(dict())
    show_progress(cfg)
    assert cfg.log_processor == dict(type="ProgressLogProcessor")
