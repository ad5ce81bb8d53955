"""Show how a policy's training went: its rewards as a table and as a picture.

Example::

    python tools/analysis/plot_rewards.py work_dirs/policy_mini --block 25 \
        --evaluation evaluation.json --out rewards.png

``--evaluation`` takes what ``tools/analysis/evaluate_policy.py --out`` wrote with the same config:
the controls' rewards on held-out episodes are drawn as lines.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmasg.errors import wrong
from mmasg.visualization.reward_curve import plot_rewards, read_levels, read_updates, reward_table


def main(argv: list[str] | None = None) -> None:
    """Print the table and draw the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work_dirs", nargs="+", help="work dirs of policies' trainings")
    parser.add_argument("--block", type=int, default=25, help="updates of a row of the table")
    parser.add_argument("--evaluation", help="JSON file of tools/analysis/evaluate_policy.py")
    parser.add_argument("--out", default="rewards.png", help="picture to write")
    args = parser.parse_args(argv)
    if args.block < 1:
        raise ValueError(wrong("--block", args.block, "an integer >= 1"))
    runs = {Path(folder).name: read_updates(folder) for folder in args.work_dirs}
    for title, records in runs.items():
        print(f"{title}\n\n{reward_table(records, args.block)}\n")
    levels = read_levels(args.evaluation) if args.evaluation else None
    plot_rewards(runs, args.out, levels=levels)
    print(args.out)


if __name__ == "__main__":
    main()
