"""Draw the layer-wise multipliers of a run as one picture, from its log alone.

Example::

    python tools/analysis/plot_lr_policy.py work_dirs/gta2cityscapes --out rates.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmasg.visualization.rate_chart import plot_multipliers


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dirs", nargs="+", help="work dirs of runs with LayerLRPolicyHook")
    parser.add_argument("--out", default="lr_policy.png", help="picture to write")
    arguments = parser.parse_args(argv)
    plot_multipliers({Path(folder).name: folder for folder in arguments.work_dirs}, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
