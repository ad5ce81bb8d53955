"""Compare a policy with random and constant multipliers on held-out episodes.

The environments and the reward are those of a meta-training config; every controller gets the same
episodes (seeds, and what is drawn for them), which lie far from those of the training. With a
config that trains one policy for all groups, multipliers are of the relative steps, and
``--constant 1`` is the fixed rule.

Examples::

    python tools/analysis/evaluate_policy.py configs/asg/policy_mini.py \
        --policy mini --constant 0.1 1.0 --random --hand-set --episodes 12 --out evaluation.json
    python tools/analysis/evaluate_policy.py configs/asg/group_policy_mini.py \
        --policy work_dirs/group_policy_mini/iter_100.pth --constant 1 --random --episodes 24
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from mmengine.config import Config, DictAction

import mmasg  # noqa: F401
from mmasg.errors import wrong
from mmasg.l2o import DEFAULT_MULTIPLIERS, GroupPolicy, build_policy, load_group_policy
from mmasg.l2o.episode_pool import EpisodePool
from mmasg.l2o.policy_evaluation import (
    ControllerMaker,
    constant,
    decided,
    evaluate,
    sampled,
    uniform,
)
from mmasg.l2o.rewards import build_reward


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of a meta-training")
    parser.add_argument("--policy", nargs="*", help="packaged names or files (default: mini)")
    parser.add_argument(
        "--constant",
        nargs="*",
        type=float,
        help="(default: 0.1 and 1; 1, the fixed rule, where the policy is one for all groups)",
    )
    parser.add_argument("--random", action="store_true", help="uniform multipliers")
    parser.add_argument(
        "--hand-set", action="store_true", help="0.1 for every group but the last, which has 1"
    )
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--workers", type=int, help="episodes at a time (default: the config's)")
    parser.add_argument("--seed", type=int, default=0, help="shifts the episodes' seeds")
    parser.add_argument("--out", help="JSON file for the result")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Evaluate and print a Markdown table."""
    args = parse_args(argv)
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    if args.episodes < 1:
        raise ValueError(wrong("--episodes", args.episodes, "an integer >= 1"))
    environments = (config.get("train_cfg") or {}).get("environments")
    if not environments:
        allowed = "a meta-training's, with train_cfg.environments (configs/asg/policy_*.py)"
        raise ValueError(wrong("config", args.config, allowed))
    first = environments if isinstance(environments, Mapping) else environments[0]
    groups = first.get("observes") == "groups"
    controllers: dict[str, ControllerMaker] = {
        f"policy {name}": decided(load_group_policy(name))
        if groups
        else sampled(build_policy(name))
        for name in _or(args.policy, [] if groups else ["mini"])
    }
    if args.random:
        choices = GroupPolicy().multipliers if groups else DEFAULT_MULTIPLIERS
        controllers["random"] = uniform(choices)
    for value in _or(args.constant, [1.0] if groups else [0.1, 1.0]):
        rule = " (fixed rule)" if groups and value == 1 else ""
        controllers[f"constant {value:g}{rule}"] = constant(value)
    if args.hand_set:
        controllers["hand-set"] = constant(0.1, 1.0)
    if not controllers:
        allowed = "at least one of --policy, --constant, --random, --hand-set"
        raise ValueError(wrong("controllers", "none", allowed))
    pool = EpisodePool(environments, args.workers or config.train_cfg.get("workers", 1))
    try:
        result = evaluate(
            pool,
            controllers,
            build_reward(config.train_cfg.get("reward")),
            args.episodes,
            args.seed,
            lambda number, name, values: print(
                f"episode {number + 1} of {args.episodes}, {name}: last window {values[-1]:.4f}",
                flush=True,
            ),
        )
    finally:
        pool.close()
    columns = ["reward", "advantage", "mean_loss", "last_loss"]
    columns += ["last_score"] if "scores" in result else []
    print(f"\n| {args.episodes} held-out episodes | {' | '.join(columns)} |")
    print("| --- |" + " ---: |" * len(columns))
    for name, row in result["summary"].items():
        cells = [f"{mean:.4f} ± {error:.4f}" for mean, error in map(row.get, columns)]
        print(f"| {name} | {' | '.join(cells)} |")
    names = list(result["summary"])
    for name in names[1:]:
        low, high = result["summary"][name]["interval"]
        mean = result["summary"][name]["advantage"][0]
        print(f"{names[0]} over {name}: {mean:+.4f}, 95% interval {low:+.4f} to {high:+.4f}")
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


def _or(given: list | None, default: list) -> list:
    return default if given is None else given


if __name__ == "__main__":
    main()
