"""Kill trainings with SIGKILL, resume them, and compare with one that was never interrupted.

    python tools/soak.py                                    # the miniature, twenty kills
    python tools/soak.py configs/asg/mini_visda.py --kills 5

Each training runs in a process of its own, is killed at a random moment, and is resumed from what
it has left. It sums gradients over --accumulate iterations, which the checkpoints' interval is no
multiple of, keeps a moving average of the weights (EMAHook), and while it runs ``tools/test.py``
tests a checkpoint in the same work dir, from a random moment on. Everything in the last checkpoint
(weights, optimizer, schedules, policy) and the log of the multipliers, merged by iteration (the
later run wins), must equal the uninterrupted run bit for bit, with the same number of threads.
Exits with 1 if any differs, or if a test fails.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import runpy
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmasg.checkpoint.safe_checkpoint import load_checkpoint
from mmasg.datasets.dataset_configs import innermost
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


def test(config: Path, checkpoint: str, work_dir: Path, threads: int, delay: float) -> None:
    """Test a checkpoint as the command does, a while from now. Runs in a process of its own."""
    time.sleep(delay)
    torch.set_num_threads(threads)
    with open(f"{work_dir}_test.txt", "a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.argv = ["test.py", str(config), checkpoint, "--work-dir", str(work_dir)]
    runpy.run_path(str(Path(__file__).with_name("test.py")), run_name="__main__")


def start(what: Callable[..., None], *args: Any) -> BaseProcess:
    """Do something in a new process. Forked: the imports take longer than the training."""
    process = multiprocessing.get_context("fork").Process(target=what, args=args)
    process.start()
    return process


def run(*args: Any, beside: tuple | None = None) -> tuple[int, int]:
    """Train, and test beside it; the two exit codes."""
    training = start(train, *args)
    testing = start(test, *beside) if beside is not None else None
    training.join()
    if testing is not None:
        testing.join()
    return training.exitcode or 0, (testing.exitcode or 0) if testing is not None else 0


def last_checkpoint(work_dir: Path) -> dict:
    """Read the newest checkpoint."""
    return load_checkpoint((work_dir / "last_checkpoint").read_text().strip(), "cpu")


def of_the_training(checkpoint: dict) -> dict:
    """Everything of a checkpoint that belongs to the training."""
    return {key: value for key, value in checkpoint.items() if key not in _NOT_COMPARED}


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
    accumulate: int = 1,
) -> int:
    """Kill, resume and compare some trainings.

    Args:
        config: The training's config.
        folder: Where the runs go.
        kills: How many trainings to kill.
        iterations: Length of the trainings (epochs, if the config counts epochs).
        interval: Iterations between checkpoints.
        threads: CPU threads of each training.
        seed: Of the moments of the kills and the tests.
        accumulate: Iterations whose gradients make one step.

    Returns:
        How many resumed to the same bits.
    """
    config = prepare(config, iterations, interval, accumulate)
    config.dump(folder / "soak.py")
    begin = time.perf_counter()
    if run(config, folder / "whole", threads) != (0, 0):
        raise SystemExit(f"The uninterrupted training failed; its output: {folder}/whole.txt")
    last = last_checkpoint(folder / "whole")
    whole = of_the_training(last), read_multipliers(folder / "whole")
    count = last["meta"]["iter"]
    length = time.perf_counter() - begin
    draw = random.Random(seed)
    same = 0
    for number in range(1, kills + 1):
        work_dir = folder / f"run_{number}"
        # Any moment from the first iteration to the last but one.
        step_time = length / count  # a little more: it holds the start
        kill = dict(iteration=draw.randrange(count - 1), delay=draw.random() * step_time)
        beside: tuple | None = None
        if config.get("test_dataloader") is not None:
            checkpoint = (folder / "whole" / "last_checkpoint").read_text().strip()
            beside = (folder / "soak.py", checkpoint, work_dir, threads, draw.random() * length)
        code, test_code = run(config, work_dir, threads, kill, beside=beside)
        pointer = work_dir / "last_checkpoint"
        found = Path(pointer.read_text()).name if pointer.is_file() else "no checkpoint"
        if code != -signal.SIGKILL:
            print(f"run {number}: was not killed, but ended with {code}; see {work_dir}.txt")
            continue
        code, test_code_2 = run(config, work_dir, threads, beside=beside)
        if code != 0:
            print(f"run {number}: could not be resumed from {found}; see {work_dir}.txt")
            continue
        if test_code or test_code_2:
            print(f"run {number}: a test beside it failed; see {work_dir}_test.txt")
            continue
        resumed = of_the_training(last_checkpoint(work_dir))
        differing = differences(whole[0], resumed, "checkpoint")
        differing += differences(whole[1], read_multipliers(work_dir), "multipliers")
        same += not differing
        print(
            f"run {number}: killed in iteration {kill['iteration'] + 1}, resumed from {found}, "
            f"tested beside {0 if beside is None else 2} times: "
            + (f"differs in {', '.join(differing[:5])}" if differing else "the same bits"),
            flush=True,
        )
    return same


def prepare(config: Config, iterations: int, interval: int, accumulate: int = 1) -> Config:
    """Shorten a config, save often, log every multiplier, leave validation out.

    Gradients are summed over some iterations, the weights averaged, and a test sees few images.
    """
    config.optim_wrapper.accumulative_counts = accumulate
    config.custom_hooks = [*(config.get("custom_hooks") or []), dict(type="EMAHook", momentum=0.1)]
    by_epoch = "max_epochs" in config.train_cfg
    config.train_cfg["max_epochs" if by_epoch else "max_iters"] = iterations
    for key in ("val_cfg", "val_dataloader", "val_evaluator"):
        config[key] = None
    for dataset in innermost((config.get("test_dataloader") or {}).get("dataset")):
        dataset["indices"] = 4  # images of a test beside a training
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
    parser.add_argument("--accumulate", type=int, default=3, help="iterations of one step")
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
            config,
            folder,
            args.kills,
            args.iterations,
            args.interval,
            args.threads,
            args.seed,
            args.accumulate,
        )
    print(f"{same} of {args.kills} runs resumed to the same bits")
    sys.exit(same != args.kills)


if __name__ == "__main__":
    main()
