"""Time the frozen teacher's forward pass, and what makes it cheaper.

Example::

    python tools/analysis/teacher_cost.py configs/asg/mini_gta2cityscapes_consistency.py --threads 1

Prints, for the config's batch size and crop, the median and quartiles of one forward pass: as the
student's network is, with BatchNorm folded into the convolutions, in either memory layout, and
compiled. A training folds, on a CPU in channels-last layout, and compiles on request.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch.utils.benchmark import Timer

import mmasg  # noqa: F401
from mmasg.benchmark.random_images import image_size
from mmasg.consistency import ImageNetTeacher, build_teacher
from mmasg.consistency.fold_batch_norm import fold_batch_norms


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config with an ImageNetConsistencyHook")
    parser.add_argument("--size", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", action="store_true", help="mixed precision (GPU)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each variant")
    return parser.parse_args()


def as_it_is(teacher: ImageNetTeacher) -> ImageNetTeacher:
    """Keep a teacher from getting ready with the first images."""
    teacher._ready = True
    return teacher


def folded(teacher: ImageNetTeacher, images: torch.Tensor) -> ImageNetTeacher:
    """Fold its layers and do nothing else."""
    as_it_is(teacher)
    with torch.no_grad():
        fold_batch_norms(teacher.backbone, lambda: teacher(images[:1]).features)
    return teacher


def main() -> None:
    """Build the teacher in its variants and time them."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    config = Config.fromfile(args.config)
    init_default_scope(config.get("default_scope", "mmseg"))
    hooks = [h for h in config.custom_hooks if h["type"] == "ImageNetConsistencyHook"]
    if not hooks:
        raise SystemExit(f"{args.config} has no ImageNetConsistencyHook: there is no teacher.")
    arguments = {key: hooks[0].get(key) for key in ("teacher", "classifier", "feature")}
    student = MODELS.build(config.model.backbone)

    def teacher(layout: torch.memory_format, **options: object) -> ImageNetTeacher:
        made = build_teacher(student, **arguments, **options)
        return made.to(args.device, memory_format=layout)

    height, width = args.size or image_size(config)
    batch = config.train_dataloader.batch_size
    images = torch.randn(batch, 3, height, width, device=args.device)
    last, first = torch.channels_last, torch.contiguous_format
    variants: dict[str, Callable[[], ImageNetTeacher]] = {
        "as the student's network": lambda: as_it_is(teacher(first)),
        "channels-last": lambda: as_it_is(teacher(last)),
        "BatchNorm folded": lambda: folded(teacher(first), images),
        "BatchNorm folded, channels-last": lambda: folded(teacher(last), images),
    }
    if not args.no_compile:
        variants["the same, compiled"] = lambda: teacher(last, compile_options={})
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{args.threads} thread(s)"
    print(f"{batch} images of {height}x{width}, {where}, torch {torch.__version__}\n")
    print("| teacher | ms (quartiles) | of the first | largest difference of a logit |")
    print("| --- | ---: | ---: | ---: |")
    reference, base = None, 0.0
    for name, make in variants.items():
        network = make()
        with torch.autocast(args.device, enabled=args.amp):
            logits = network(images).logits
            timer = Timer("network(images)", globals=locals(), num_threads=args.threads)
            times = timer.blocked_autorange(min_run_time=args.seconds)
        assert logits is not None
        if reference is None:
            reference, base = logits, times.median
        difference = ((logits - reference).abs().max() / reference.abs().max()).item()
        low, high = 1e3 * np.percentile(times.times, [25, 75])
        print(
            f"| {name} | {1e3 * times.median:.1f} ({low:.1f} to {high:.1f}) | "
            f"{times.median / base:.2f} | {difference:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
