"""Says what a training by a config will do and what will stop it: ``tools/doctor.py CONFIG``.

    python tools/doctor.py CONFIG               # everything, one step on random images included
    python tools/doctor.py CONFIG --no-step     # without the step
    python tools/doctor.py --shipped            # all configs that MMSegmentation ships, as a table

Layer groups and their rates, what is frozen, where the ImageNet weights come from and whether
their classifier fits, which layers stay in eval mode, what a policy would see, what the teacher
costs on this machine, and the facts of the data. A config without ``ImageNetConsistencyHook`` is
examined with the three additions made, which are printed to be pasted. Exit code 1 when a training
would stop or be wrong, 2 when the config cannot be read or an argument is wrong.
"""

import argparse
import sys

from mmengine.config import Config, DictAction

import mmasg  # noqa: F401  (registers what configs name)
from mmasg.commands.command_line import find_config
from mmasg.datasets.pad_evenly import take_mean
from mmasg.doctor.examine import examine
from mmasg.doctor.findings import as_text
from mmasg.doctor.survey import as_table, shipped_configs, survey


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("config", nargs="?", help="config file, as for tools/train.py")
    what.add_argument(
        "--shipped", action="store_true", help="a table of the configs that MMSegmentation ships"
    )
    parser.add_argument("--no-step", action="store_true", help="do no step on random images")
    parser.add_argument(
        "--samples", type=int, default=20, help="open so many a data loader (default: 20)"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="as for tools/train.py")
    args = parser.parse_args()
    try:
        if args.shipped:
            print(as_table(survey(shipped_configs())))
            return 0
        cfg = Config.fromfile(str(find_config(args.config)))
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        take_mean(cfg)
        parts = examine(cfg, args.config, not args.no_step, args.samples, args.workers)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError, SyntaxError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(as_text(parts))
    return 1 if any(part.errors for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
