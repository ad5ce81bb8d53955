"""Train the policy of the layer groups' steps on your own source data.

Example::

    python tools/tune_rates.py my_config.py --hours 1

Many short trainings of your config on parts of its training data; their reward is how well the
network then does on a part that is held out, under photometric changes. Neither validation nor test
data are touched. Writes ``policy.pth``, which ``dict(type='GroupPolicyHook',
policy='.../policy.pth')`` in ``custom_hooks`` takes, and says on episodes that were not trained on
how it compares with the fixed rule of ``RelativeStepHook``. ``--resume`` goes on after an
interruption.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from mmengine.runner import Runner

import mmasg  # noqa: F401
from mmasg.commands.command_line import add_common_arguments, read_config
from mmasg.errors import wrong
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.l2o import GroupPolicy, load_group_policy, save_group_policy
from mmasg.l2o.policy_evaluation import constant, decided, evaluate
from mmasg.l2o.time_budget import TimeBudgetHook
from mmasg.l2o.tuning import tuning_environment

_UNLIMITED = 1_000_000


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of a training with layer groups")
    add_common_arguments(parser)
    parser.add_argument("--hours", type=float, default=1.0, help="time for everything")
    parser.add_argument("--policy", help="policy to begin with (default: an untrained one)")
    parser.add_argument("--resume", action="store_true", help="go on in the same work dir")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time")
    parser.add_argument("--pairs", type=int, default=4, help="pairs of trainings an update")
    parser.add_argument(
        "--iters",
        type=int,
        nargs=2,
        default=[60, 400],
        metavar=("LEAST", "MOST"),
        help="iterations of a training",
    )
    parser.add_argument("--batch-size", type=int, help="of a training (default: the config's)")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of the training data")
    parser.add_argument("--frames", type=int, default=16, help="held-out samples that score")
    parser.add_argument("--episodes", type=int, default=10, help="held-out trainings at the end")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Train, write the policy, compare."""
    args = parse_args(argv)
    _check(args)
    cfg = read_config(args)
    if args.work_dir is None:
        cfg.work_dir = str(Path("work_dirs") / f"tune_{Path(args.config).stem}")
    folder = Path(cfg.work_dir)
    iters = (args.iters[0], args.iters[1])
    environment = tuning_environment(cfg, iters, args.held_out, args.frames, args.batch_size)
    settings = {
        name: getattr(args, name)
        for name in ("policy", "pairs", "iters", "batch_size", "held_out", "frames", "seed")
    }
    # An update has two trainings a pair, and one by the fixed rule.
    reserve = 2 * args.episodes / (2 * args.pairs + 1)
    budget = TimeBudgetHook(3600 * args.hours, reserve, settings)
    runner = _runner(args, folder, environment)
    runner.register_hook(budget)
    TrainingCheckHook.join(runner)
    start = GroupPolicy() if args.policy is None else load_group_policy(args.policy)
    runner.model.load_state_dict(start.state_dict())
    runner.train()
    policy = GroupPolicy(**start.arguments)
    policy.load_state_dict({k: v.cpu() for k, v in runner.model.state_dict().items()})
    target = folder / "policy.pth"
    print(f"Held-out trainings: {args.episodes}, by the policy and by the fixed rule each")
    loop = runner.train_loop
    try:
        result = evaluate(
            loop.pool,
            {"policy": decided(policy.eval()), "fixed rule": constant(1.0)},
            loop.reward,
            args.episodes,
            args.seed,
            lambda number, name, values: print(
                f"training {number + 1}, {name}: score {values[-1]:.2f}", flush=True
            ),
        )
    finally:
        loop.close()
    row = result["summary"]["fixed rule"]
    comparison = dict(advantage=row["advantage"], interval=row["interval"])
    save_group_policy(
        policy, target, trained_on=Path(args.config).name, updates=runner.iter, **comparison
    )
    (folder / "comparison.json").write_text(json.dumps(result, indent=1))
    print(verdict(result, target, args.episodes))


def verdict(result: dict, target: Path, episodes: int) -> str:
    """What the comparison says, and what to use."""
    row = result["summary"]["fixed rule"]
    (mean, _), (low, high) = row["advantage"], row["interval"]
    scores = [result["summary"][name]["last_score"][0] for name in ("policy", "fixed rule")]
    better = not math.isnan(low) and low > 0
    use = (
        f"Use it: custom_hooks = [dict(type='GroupPolicyHook', policy='{target}')]"
        if better
        else "It is not shown to be better: use the fixed rule, dict(type='RelativeStepHook')"
    )
    return (
        f"\n{target}\nOn {episodes} held-out trainings the last score is {scores[0]:.2f} with the "
        f"policy and {scores[1]:.2f} with the fixed rule; the policy's reward of a decision is "
        f"{mean:+.3f} higher (95% interval {low:+.3f} to {high:+.3f}).\n{use}"
    )


def _runner(args: argparse.Namespace, folder: Path, environment: dict) -> Runner:
    arguments = {} if args.policy is None else load_group_policy(args.policy).arguments
    return Runner(
        model=dict(type="TrainableGroupPolicy", **arguments),
        work_dir=str(folder),
        train_dataloader=dict(),
        train_cfg=dict(
            type="GroupPolicyLoop",
            environments=environment,
            max_iters=_UNLIMITED,
            trainer=dict(type="EvolutionTrainer", pairs=args.pairs),
            workers=args.workers,
        ),
        optim_wrapper=dict(
            optimizer=dict(type="Adam", lr=0.03, betas=(0.9, 0.99)),
            clip_grad=dict(max_norm=5.0),
        ),
        default_hooks=dict(
            logger=dict(type="LoggerHook", interval=1),
            checkpoint=dict(
                type="AtomicCheckpointHook",
                by_epoch=False,
                interval=1,
                max_keep_ckpts=2,
                save_param_scheduler=False,
            ),
        ),
        log_processor=dict(by_epoch=False, window_size=1),
        randomness=dict(seed=args.seed),
        default_scope="mmengine",
        log_level="WARNING",
        resume=args.resume,
        experiment_name=f"tune_{folder.name}",
    )


def _check(args: argparse.Namespace) -> None:
    for name, least in (("workers", 1), ("pairs", 1), ("frames", 1), ("episodes", 2)):
        if getattr(args, name) < least:
            raise ValueError(wrong(f"--{name}", getattr(args, name), f"an integer >= {least}"))
    if not args.hours > 0:
        raise ValueError(wrong("--hours", args.hours, "a number above 0"))
    if not 10 <= args.iters[0] <= args.iters[1]:
        raise ValueError(wrong("--iters", args.iters, "LEAST MOST, with 10 <= LEAST <= MOST"))
    if not 0 < args.held_out < 1:
        raise ValueError(wrong("--held-out", args.held_out, "a share between 0 and 1"))


if __name__ == "__main__":
    main()
