"""Kill trainings with SIGKILL, resume them, and compare with one that was never interrupted.

    python tools/soak.py                                    # the miniature, twenty kills
    python tools/soak.py configs/asg/mini_visda.py --kills 5

Each training runs in a process of its own, is killed at a random moment, and is resumed from what
it has left. Everything in the last checkpoint (weights, optimizer, schedules, policy) and the log
of the multipliers, merged by iteration (the later run wins), must equal the uninterrupted run bit
for bit, with the same number of threads. Exits with 1 if any differs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

import mmasg  # noqa: F401  (registers what configs name)
from mmasg.visualization.scalar_log import read_multipliers

# What a checkpoint says about the run and not about the training: times, paths, logs.
_NOT_COMPARED = ("meta", "message_hub")


@HOOKS.register_module(force=True)
class KillHook(Hook):
    """Kills its own process with SIGKILL, some time after an iteration has begun.

    Args:
        iteration: The iteration, from 0.
        delay: Seconds from its beginning.
    """

    def __init__(self, iteration: int, delay: float) -> None:
        self.iteration, self.delay = iteration, delay

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock; in the last iteration it is over in any case."""
        if runner.iter + 1 == runner.max_iters:
            os.kill(os.getpid(), signal.SIGKILL)
        if runner.iter == self.iteration:
            threading.Thread(target=self._kill, daemon=True).start()

    def _kill(self) -> None:
        time.sleep(self.delay)
        os.kill(os.getpid(), signal.SIGKILL)


def train(config: Config, work_dir: Path, threads: int, kill: dict | None = None) -> None:
    """Train, or go on where a killed training ended. Runs in a process of its own."""
    torch.set_num_threads(threads)
    config.work_dir = str(work_dir)
    config.resume = True  # from nothing, where there is nothing
    if kill is not None:
        hooks = list(config.get("custom_hooks") or [])
        config.custom_hooks = [*hooks, dict(type="KillHook", **kill)]
    with open(f"{work_dir}.txt", "a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        Runner.from_cfg(config).train()


def run(*args: Any) -> int:
    """Train in a new process; its exit code. Forked: the imports take longer than the training."""
    process = multiprocessing.get_context("fork").Process(target=train, args=args)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def last_checkpoint(work_dir: Path) -> dict:
    """Everything of the newest checkpoint that belongs to the training."""
    path = (work_dir / "last_checkpoint").read_text().strip()
    # Written a moment ago by this very program: no foreign file.
    content = torch.load(path, map_location="cpu", weights_only=False)
    return {key: value for key, value in content.items() if key not in _NOT_COMPARED}


def differences(a: Any, b: Any, name: str = "") -> list[str]:
    """Names of the entries in which two nested containers are not the same, bit for bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.shape == b.shape and a.dtype == b.dtype
        same = same and torch.equal(a.flatten().view(torch.uint8), b.flatten().view(torch.uint8))
        return [] if same else [name]
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted({*a, *b}, key=str)
        found = [f"{name}.{k}" for k in keys if (k in a) != (k in b)]
        return found + [
            d for k in keys if k in a and k in b for d in differences(a[k], b[k], f"{name}.{k}")
        ]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return [name]
        pairs = enumerate(zip(a, b, strict=True))
        return [d for i, (x, y) in pairs for d in differences(x, y, f"{name}[{i}]")]
    return [] if a == b else [name]


def soak(
    config: Config,
    folder: Path,
    kills: int,
    iterations: int,
    interval: int,
    threads: int = 1,
    seed: int = 0,
) -> int:
    """Kill, resume and compare some trainings.

    Args:
        config: The training's config.
        folder: Where the runs go.
        kills: How many trainings to kill.
        iterations: Length of the trainings (epochs, if the config counts epochs).
        interval: Iterations between checkpoints.
        threads: CPU threads of each training.
        seed: Of the moments of the kills.

    Returns:
        How many resumed to the same bits.
    """
    config = prepare(config, iterations, interval)
    begin = time.perf_counter()
    if run(config, folder / "whole", threads) != 0:
        raise SystemExit(f"The uninterrupted training failed; its output: {folder}/whole.txt")
    whole = last_checkpoint(folder / "whole"), read_multipliers(folder / "whole")
    count = int(torch.load(_pointed(folder / "whole"), weights_only=False)["meta"]["iter"])
    step_time = (time.perf_counter() - begin) / count  # a little more: it holds the start
    draw = random.Random(seed)
    same = 0
    for number in range(1, kills + 1):
        work_dir = folder / f"run_{number}"
        # Any moment from the first iteration to the last but one.
        kill = dict(iteration=draw.randrange(count - 1), delay=draw.random() * step_time)
        code = run(config, work_dir, threads, kill)
        pointer = work_dir / "last_checkpoint"
        found = Path(pointer.read_text()).name if pointer.is_file() else "no checkpoint"
        if code != -signal.SIGKILL:
            print(f"run {number}: was not killed, but ended with {code}; see {work_dir}.txt")
            continue
        if run(config, work_dir, threads) != 0:
            print(f"run {number}: could not be resumed from {found}; see {work_dir}.txt")
            continue
        differing = differences(whole[0], last_checkpoint(work_dir), "checkpoint")
        differing += differences(whole[1], read_multipliers(work_dir), "multipliers")
        same += not differing
        print(
            f"run {number}: killed in iteration {kill['iteration'] + 1}, resumed from {found}: "
            + (f"differs in {', '.join(differing[:5])}" if differing else "the same bits"),
            flush=True,
        )
    return same


def _pointed(work_dir: Path) -> str:
    return (work_dir / "last_checkpoint").read_text().strip()


def prepare(config: Config, iterations: int, interval: int) -> Config:
    """Shorten a config, save often, log every multiplier, leave validation out."""
    by_epoch = "max_epochs" in config.train_cfg
    config.train_cfg["max_epochs" if by_epoch else "max_iters"] = iterations
    for key in ("val_cfg", "val_dataloader", "val_evaluator"):
        config[key] = None
    hooks = config.default_hooks
    hooks.logger = dict(type="LoggerHook", interval=1)
    hooks.checkpoint = dict(
        type="AtomicCheckpointHook", by_epoch=False, interval=interval, max_keep_ckpts=2
    )
    hooks.pop("visualization", None)
    config.visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
    return config


def main() -> None:
    """Soak and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default="configs/asg/mini_gta2cityscapes.py")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=24, help="length (epochs, if so counted)")
    parser.add_argument("--interval", type=int, default=5, help="iterations between checkpoints")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--work-dir", help="keep the runs here (default: a temporary folder)")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args()
    if not Path(args.config).is_file():
        parser.error(f"there is no config at {args.config}")
    config = Config.fromfile(args.config)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.work_dir or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        same = soak(
            config, folder, args.kills, args.iterations, args.interval, args.threads, args.seed
        )
    print(f"{same} of {args.kills} runs resumed to the same bits")
    sys.exit(same != args.kills)


if __name__ == "__main__":
    main()
