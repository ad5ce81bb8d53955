"""The demonstration's arms, and the controls of the policy, over several seeds: mean and spread.

    python tools/compare_arms.py --seeds 0 1 2
    python tools/compare_arms.py --only seg_consistency seg_asg

Writes ``work_dirs/benchmark/benchmark.md`` and the pictures of the first seed. What an earlier
call finished is taken as it is, so an interrupted comparison goes on.
"""

import argparse
import platform
from pathlib import Path

import torch

from mmasg.benchmark.arms import select
from mmasg.benchmark.jobs import Job, Pool
from mmasg.benchmark.report import write_pictures
from mmasg.benchmark.tables import spread_table
from mmasg.miniature.miniature_arms import CONTROL_ARMS, DEMO_ARMS, TESTS, WEIGHTS
from mmasg.miniature.miniature_data import make_miniature_data


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare the arms over several seeds")
    parser.add_argument("--out", default="work_dirs/benchmark", help="folder of runs and results")
    parser.add_argument("--only", nargs="+", metavar="ARM", help="these arms or tasks alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds")
    parser.add_argument("--workers", type=int, help="trainings at a time")
    return parser.parse_args()


def main() -> None:
    """Run all arms with all seeds, then write table and pictures."""
    args = parse_args()
    arms = select((*DEMO_ARMS, *CONTROL_ARMS), args.only)
    make_miniature_data()
    out = Path(args.out)
    jobs = [
        Job(arm, seed, out / f"{arm.key}_seed{seed}", TESTS, WEIGHTS[arm.task])
        for seed in args.seeds
        for arm in arms
    ]
    Pool(jobs, args.workers).run()
    machine = f"{torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}"
    lines = [f"Seeds {args.seeds}; {machine}; `python tools/compare_arms.py`."]
    for task in dict.fromkeys(arm.task for arm in arms):
        of_task = [job for job in jobs if job.arm.task == task]
        reference = of_task[0].arm.name
        lines += ["", f"**{task}**", "", spread_table(of_task, "target", "source", reference)]
        first = [job for job in of_task if job.seed == args.seeds[0]]
        for file in write_pictures(first, out, target="target"):
            print(f"picture: {file}")
    text = "\n".join(lines)
    (out / "benchmark.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
