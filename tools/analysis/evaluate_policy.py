"""Compare a policy with random and constant multipliers on held-out episodes.

The environments are those of a meta-training config; every controller gets the same episode
seeds, which lie far from those of the training.

Example::

    python tools/analysis/evaluate_policy.py configs/asg/policy_mini.py \
        --policy mini --constant 0.1 1.0 --random --episodes 5 --out evaluation.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.config import Config

import mmasg  # noqa: F401
from mmasg.l2o import LSTMPolicy, TrainingEnvironment, build_policy

Controller = Callable[[torch.Tensor], list[float]]
#: Adds to --seed; meta-training counts its episodes' seeds from its own seed + 1.
HELD_OUT = 1_000_000


def policy_controller(policy: LSTMPolicy, generator: torch.Generator) -> Controller:
    """Sample from the policy, as a training does."""
    state = None

    @torch.no_grad()
    def act(observation: torch.Tensor) -> list[float]:
        nonlocal state
        logits, _, state = policy(observation, state)
        actions = torch.multinomial(logits[0].exp(), 1, generator=generator).squeeze(1)
        return [policy.multipliers[i] for i in actions.tolist()]

    return act


def random_controller(policy: LSTMPolicy, generator: torch.Generator) -> Controller:
    """Uniform over the policy's multipliers, anew for each window."""

    def act(observation: torch.Tensor) -> list[float]:
        draws = torch.randint(len(policy.multipliers), (policy.num_groups,), generator=generator)
        return [policy.multipliers[i] for i in draws.tolist()]

    return act


def run_episode(environment: TrainingEnvironment, controller: Controller, seed: int) -> list[float]:
    """The windows' mean task losses of one episode; infinite from where it diverges."""
    window = environment.reset(seed)
    losses = [window.task_loss]
    while not window.done:
        window = environment.step(controller(window.observation))
        losses.append(window.task_loss if not window.diverged else float("inf"))
    return losses


def evaluate(
    environments: list[TrainingEnvironment],
    policy: LSTMPolicy,
    controllers: Mapping[str, Callable[[torch.Generator], Controller]],
    episodes: int,
    seed: int = 0,
    budget_s: float = float("inf"),
) -> dict[str, Any]:
    """Run every controller on the same held-out episodes.

    Args:
        environments: Taken in turn.
        policy: Says how many groups and which multipliers there are.
        controllers: By name, each made from a generator.
        episodes: Number of episodes.
        seed: Shifts the held-out seeds.
        budget_s: No new episode begins after this time.

    Returns:
        For every controller the losses of each episode's windows, and mean and standard deviation
        over episodes of the mean loss after the first window and of the last window's.
    """
    begin = time.monotonic()
    losses: dict[str, list[list[float]]] = {name: [] for name in controllers}
    for episode in range(episodes):
        if time.monotonic() - begin > budget_s:
            break
        for name, make in controllers.items():
            generator = torch.Generator().manual_seed(HELD_OUT + seed + episode)
            environment = environments[episode % len(environments)]
            losses[name].append(
                run_episode(environment, make(generator), HELD_OUT + seed + episode)
            )
            print(f"episode {episode} {name}: last window {losses[name][-1][-1]:.4f}", flush=True)
    summary = {}
    for name, runs in losses.items():
        means = [statistics.fmean(run[1:]) for run in runs]
        lasts = [run[-1] for run in runs]
        summary[name] = dict(
            episodes=len(runs),
            mean_loss=statistics.fmean(means),
            mean_loss_std=statistics.pstdev(means),
            last_loss=statistics.fmean(lasts),
            last_loss_std=statistics.pstdev(lasts),
        )
    return dict(summary=summary, losses=losses)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config of a meta-training")
    parser.add_argument("--policy", default="mini", help="packaged name or file")
    parser.add_argument("--constant", nargs="*", type=float, default=[0.1, 1.0])
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds")
    parser.add_argument("--out", help="JSON file for the result")
    arguments = parser.parse_args(argv)

    config = Config.fromfile(arguments.config)
    given = config.train_cfg.environments
    environments = [
        TrainingEnvironment(**item) for item in (given if isinstance(given, list) else [given])
    ]
    policy = build_policy(arguments.policy)
    controllers: dict[str, Callable[[torch.Generator], Controller]] = {
        f"policy {arguments.policy}": lambda generator: policy_controller(policy, generator)
    }
    if arguments.random:
        controllers["random"] = lambda generator: random_controller(policy, generator)
    for value in arguments.constant:
        controllers[f"constant {value:g}"] = lambda generator, value=value: (
            lambda observation: [value] * policy.num_groups
        )
    result = evaluate(
        environments, policy, controllers, arguments.episodes, arguments.seed, arguments.budget
    )
    for name, row in result["summary"].items():
        print(
            f"{name:28s} mean loss {row['mean_loss']:.4f} +- {row['mean_loss_std']:.4f}, "
            f"last window {row['last_loss']:.4f} +- {row['last_loss_std']:.4f} "
            f"({row['episodes']} episodes)"
        )
    if arguments.out:
        with open(arguments.out, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
