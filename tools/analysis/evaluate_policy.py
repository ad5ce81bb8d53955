"""Compare a policy with random and constant multipliers on held-out episodes.

The environments and the reward are those of a meta-training config; every controller gets the same
episode seeds, which lie far from those of the training.

Example::

    python tools/analysis/evaluate_policy.py configs/asg/policy_mini.py \
        --policy mini --constant 0.1 1.0 --random --hand-set --episodes 12 --out evaluation.json
"""

from __future__ import annotations

import argparse
import json

from mmengine.config import Config, DictAction

import mmasg  # noqa: F401
from mmasg.errors import wrong
from mmasg.l2o import build_policy
from mmasg.l2o.environment import build_environments
from mmasg.l2o.policy_evaluation import ControllerMaker, constant, evaluate, sampled, uniform
from mmasg.l2o.rewards import build_reward


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of a meta-training")
    parser.add_argument("--policy", nargs="+", default=["mini"], help="packaged names or files")
    parser.add_argument("--constant", nargs="*", type=float, default=[0.1, 1.0])
    parser.add_argument("--random", action="store_true", help="uniform multipliers")
    parser.add_argument(
        "--hand-set", action="store_true", help="0.1 for every group but the last, which has 1"
    )
    parser.add_argument("--episodes", type=int, default=5)
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
    policies = {name: build_policy(name) for name in args.policy}
    groups = next(iter(policies.values())).num_groups
    controllers: dict[str, ControllerMaker] = {
        f"policy {name}": sampled(policy) for name, policy in policies.items()
    }
    if args.random:
        choices = next(iter(policies.values())).multipliers
        controllers["random"] = uniform(groups, choices)
    for value in args.constant:
        controllers[f"constant {value:g}"] = constant([value] * groups)
    if args.hand_set:
        controllers["hand-set"] = constant([0.1] * (groups - 1) + [1.0])
    result = evaluate(
        build_environments(environments),
        controllers,
        build_reward(config.train_cfg.get("reward")),
        args.episodes,
        args.seed,
        lambda number, name, losses: print(
            f"episode {number + 1} of {args.episodes}, {name}: last window {losses[-1]:.4f}",
            flush=True,
        ),
    )
    columns = ("reward", "advantage", "mean_loss", "last_loss")
    print(f"\n| {args.episodes} held-out episodes | {' | '.join(columns)} |")
    print("| --- |" + " ---: |" * len(columns))
    for name, row in result["summary"].items():
        cells = [f"{mean:.4f} ± {error:.4f}" for mean, error in map(row.get, columns)]
        print(f"| {name} | {' | '.join(cells)} |")
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
