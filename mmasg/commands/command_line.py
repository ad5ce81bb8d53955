"""What the training and testing commands share: their switches, and how a config is read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available

from mmasg.datasets.pad_evenly import take_mean
from mmasg.errors import did_you_mean

from .cpu_processes import join_on_cpu
from .shipped_files import shipped

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the switches that MMSegmentation's own commands have."""
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="override settings of the config: train_cfg.max_iters=100 a.b='[1,2]'",
    )
    parser.add_argument(
        "--launcher", choices=LAUNCHERS, default="none", help="launcher of several processes"
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)


def add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the switches for a checkpoint that does not fit the model as it is."""
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="load what fits of the checkpoint; the rest of the model stays as initialised",
    )
    parser.add_argument(
        "--prefix",
        default="",
        help="load the checkpoint's tensors whose names begin with this (model.), without it",
    )


def check_fit(cfg: Config, args: argparse.Namespace, testing: bool) -> None:
    """Have the run refuse a checkpoint that does not fit, as the switches say."""
    hook = dict(
        type="CheckpointFitHook",
        testing=testing,
        allow_partial=args.allow_partial,
        prefix=args.prefix,
    )
    # A config that a run has written down names the hook of that run.
    others = [h for h in cfg.get("custom_hooks") or [] if h.get("type") != hook["type"]]
    cfg.custom_hooks = [*others, hook]


def read_config(args: argparse.Namespace) -> Config:
    """Read the config that a command names and fill in what the command line says.

    ``work_dir`` is ``--work-dir``, else the config's own, else ``work_dirs/<config name>``.
    Without an accelerator, several processes talk through gloo. ``PadEvenly`` gets the mean of
    the model's data preprocessor.

    Raises:
        FileNotFoundError: No config of that name; names those that are near.
        ValueError: ``PadEvenly`` has another mean than the model's data preprocessor.
    """
    if "LOCAL_RANK" not in os.environ:
        os.environ["LOCAL_RANK"] = str(args.local_rank)
    path = find_config(args.config)
    cfg = Config.fromfile(str(path))
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    take_mean(cfg)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / path.stem)
    if args.launcher != "none":
        _share_the_machine(cfg)
    return cfg


def find_config(name: str | Path) -> Path:
    """Return the file of a config: as it stands, else among those that come with mmasg.

    Args:
        name: Path of the file; ``configs/asg/...`` is found from any folder.

    Raises:
        FileNotFoundError: No config of that name; names those that are near.
    """
    path = Path(name)
    if not path.is_file() and path.parts[:1] == ("configs",):
        try:
            path = shipped(path.as_posix())
        except FileNotFoundError:
            pass  # said below, with what is near
    if not path.is_file():
        raise FileNotFoundError(_no_config(path))
    return path


def has_accelerator() -> bool:
    """Whether there is a device that mmengine trains on other than the CPU."""
    return is_cuda_available() or is_npu_available() or is_musa_available()


def enable_amp(cfg: Config) -> None:
    """Switch a config to mixed precision.

    Raises:
        ValueError: There is no accelerator, or another optimizer wrapper is in the way.
    """
    if not has_accelerator():
        raise ValueError(
            "--amp: mixed-precision training needs a GPU, and PyTorch found none "
            f"(torch {torch.__version__}). Leave --amp out, or install a GPU build of torch"
        )
    kind = cfg.optim_wrapper.get("type", "OptimWrapper")
    if kind == "AmpOptimWrapper":
        return
    if kind != "OptimWrapper":
        raise ValueError(
            f"--amp: optim_wrapper.type is {kind!r}, and only 'OptimWrapper' can be switched to "
            "mixed precision. Leave --amp out, or set optim_wrapper.type='AmpOptimWrapper'"
        )
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.loss_scale = "dynamic"


def show_progress(cfg: Config) -> None:
    """Have mmengine's own log processor say on the console how good the model is so far."""
    processor = dict(cfg.get("log_processor") or {})
    if processor.get("type", "LogProcessor") in ("LogProcessor", "mmengine.LogProcessor"):
        cfg.log_processor = {**processor, "type": "ProgressLogProcessor"}


def join_processes(cfg: Config) -> None:
    """Join the other processes of a launcher where mmengine cannot: without an accelerator."""
    if cfg.launcher != "none" and not has_accelerator():
        join_on_cpu(cfg.launcher, cfg.env_cfg.dist_cfg.get("timeout"))


def _share_the_machine(cfg: Config) -> None:
    """Give every process its share of the cores, and a backend that the machine has."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", "1")))
    if "OMP_NUM_THREADS" not in os.environ:
        # Processes that all use every core wait for each other's threads, ten times slower.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // local))
    if not has_accelerator():
        cfg.merge_from_dict({"env_cfg.dist_cfg.backend": "gloo"})
        if cfg.get("model_wrapper_cfg") is None:
            # mmengine's default names a CUDA device.
            cfg.model_wrapper_cfg = dict(
                type="MMDistributedDataParallel",
                device_ids=None,
                broadcast_buffers=False,
                find_unused_parameters=cfg.get("find_unused_parameters", False),
            )


def _no_config(path: Path) -> str:
    folder = Path("configs/asg")
    names = path.parent.glob("*.py") if path.parent.is_dir() else shipped(str(folder)).glob("*.py")
    folder = path.parent if path.parent.is_dir() else folder
    near = sorted(str(folder / p.name) for p in names)
    hint = did_you_mean(folder / path.name, near, most=3)
    return f"config: no file {str(path)!r} (from {os.getcwd()!r}).{hint}"
