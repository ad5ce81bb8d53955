"""Time the training step of a config, with and without each of its hooks.

    python tools/benchmark.py configs/asg/mini_gta2cityscapes.py
    python tools/benchmark.py configs/asg/gta2cityscapes.py --random-images --amp --json out.json

All variants stand ready in one process and take turns, so that they meet the same machine. Prints
a table and, with --json, writes all figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

import mmasg  # noqa: F401  (registers what configs name)
from mmasg.benchmark.hook_variants import hook_variants
from mmasg.benchmark.random_images import use_random_images
from mmasg.benchmark.step_benchmark import Variant, run_benchmark
from mmasg.commands.command_line import add_common_arguments, enable_amp, read_config

PARTS = (
    "data",
    "preprocessing",
    "student forward",
    "teacher",
    "consistency loss",
    "backward",
    "optimizer",
    "rates",
    "policy",
    "other hooks",
    "rest",
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    add_common_arguments(parser)
    parser.add_argument("--rounds", type=int, default=10, help="turns of each variant")
    parser.add_argument("--steps", type=int, default=3, help="steps in each turn")
    parser.add_argument("--warm-up", type=int, default=3, help="steps that do not count")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor time of this process, where others keep the machine busy",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision (needs a GPU)")
    parser.add_argument("--random-images", action="store_true", help="noise instead of the data")
    parser.add_argument("--size", type=int, nargs=2, help="height and width of the noise")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory (CPU)")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # for the processes started below
    args = parser.parse_args()
    for name in ("rounds", "steps", "warm_up"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if args.clock == "cpu" and torch.cuda.is_available():
        parser.error("--clock cpu: a GPU's work is no processor time; leave it out")
    return args


def main() -> None:
    """Measure and report."""
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    cfg = read_config(args)
    if args.amp:
        enable_amp(cfg)
    if args.random_images:
        use_random_images(cfg, args.size)
    variants = hook_variants(cfg)
    if args.memory_of is not None:
        variant = Variant(cfg, args.memory_of, variants[args.memory_of])
        variant.warm_up(3)
        variant.end()
        print(peak_of_this_process())
        return
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    result = run_benchmark(cfg, variants, args.rounds, args.steps, args.warm_up, clock)
    if not torch.cuda.is_available() and not args.no_memory:
        for name in result:
            result[name]["peak_memory"] = memory_of_a_process(name)
    setting = describe(args, cfg)
    print(report(setting, result))
    if args.json:
        Path(args.json).write_text(json.dumps(dict(setting=setting, variants=result), indent=1))
        print(f"All figures: {args.json}")


def memory_of_a_process(variant: str) -> int:
    """Peak memory in bytes of a process that does a few steps of one variant and nothing else."""
    command = [sys.executable, *sys.argv, "--memory-of", variant]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def peak_of_this_process() -> int:
    """Largest resident size so far, in bytes."""
    try:
        # getrusage would count what the process that started this one held at that moment.
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024
    except (OSError, StopIteration):
        unit = 1 if platform.system() == "Darwin" else 1024  # bytes on macOS, else kilobytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def describe(args: argparse.Namespace, cfg: object) -> dict:
    """Say what was measured on what."""
    cuda = torch.cuda.is_available()
    return dict(
        command=" ".join(["python", *sys.argv]),
        config=args.config,
        device=torch.cuda.get_device_name() if cuda else processor(),
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        torch=torch.__version__,
        clock=args.clock,
        batch_size=cfg.train_dataloader.batch_size,
        mixed_precision=bool(args.amp),
        images="noise" if args.random_images else "the config's",
    )


def processor() -> str:
    """Name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "CPU"


def report(setting: dict, result: dict[str, dict]) -> str:
    """Make the tables."""
    lines = [f"{key}: {value}" for key, value in setting.items()] + [""]
    lines += [
        "| variant | step, ms (quartiles) | images/s | peak memory, MiB | full is slower by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in result.items():
        step = row["step"]
        memory = f"{row['peak_memory'] / 2**20:.0f}" if row["peak_memory"] else "-"
        saved = row.get("saved")
        slower = (
            f"{saved['median']:.1%} ({saved['q25']:.1%} to {saved['q75']:.1%})" if saved else "-"
        )
        lines.append(
            f"| {name} | {step['median'] * 1e3:.1f} ({step['q25'] * 1e3:.1f} to "
            f"{step['q75'] * 1e3:.1f}) | {row['images_per_second']:.1f} | {memory} | {slower} |"
        )
    lines += ["", f"| part, ms | {' | '.join(result)} |", f"| --- |{' --- |' * len(result)}"]
    for part in PARTS:
        if any(part in row["parts"] for row in result.values()):
            cells = [f"{row['parts'].get(part, 0) * 1e3:.2f}" for row in result.values()]
            lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
