"""Time and memory of one training step, without data and without weights files.

    python tools/analysis/step_cost.py configs/asg/gta2cityscapes.py \
        configs/asg/gta2cityscapes_nopad.py --size 512 512 --batch-size 6

Per config: the segmentation model with random weights, random images and labels, a frozen copy of
the backbone as teacher where the config has the consistency hook, forward, backward and one step
of SGD with momentum. Prints seconds a step (of the fastest step: other programs on the machine can
only slow one down), processor seconds of that process in it, peak memory above the empty process,
ratios to the first config, and the hours that the config's iterations would take at that pace.
"""

import argparse
import copy
import json
import resource
import subprocess
import sys
import time


def measure(config: str, size: list[int], batch_size: int, steps: int, device: str) -> dict:
    """Run a few steps of one config in this process.

    Args:
        config: Path of a segmentation config.
        size: Height and width of the images, in pixels.
        batch_size: Images a step.
        steps: Steps that are timed, after one that is not.
        device: ``cpu`` or ``cuda``.

    Returns:
        ``seconds`` and ``cpu_seconds`` (least of the steps), ``megabytes``, and ``max_iters``
        (None if epoch-based).
    """
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    cfg = Config.fromfile(config)
    init_default_scope(cfg.get("default_scope", "mmseg"))
    for part in ("backbone", "decode_head"):
        cfg.model[part].pop("init_cfg", None)
    cuda = device.startswith("cuda")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = MODELS.build(cfg.model).to(device)
    model.train()
    hooks = [hook["type"] for hook in cfg.get("custom_hooks") or []]
    teacher = None
    if "ImageNetConsistencyHook" in hooks:
        teacher = copy.deepcopy(model.backbone)
        teacher.requires_grad_(False)
        teacher.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    images = torch.randn(batch_size, 3, *size, device=device)
    labels = torch.randint(0, 19, (batch_size, 1, *size), device=device)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    seconds, cpu_seconds = [], []
    for _ in range(steps + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        if teacher is not None:
            with torch.no_grad():
                teacher(images)
        total, _ = model.parse_losses(model(images, samples, mode="loss"))
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    if cuda:
        megabytes = torch.cuda.max_memory_allocated() / 2**20
    else:  # ru_maxrss counts kilobytes on Linux, bytes on macOS
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    return {
        "seconds": min(seconds[1:]),
        "cpu_seconds": min(cpu_seconds[1:]),
        "megabytes": megabytes,
        "max_iters": cfg.train_cfg.get("max_iters"),
    }


def main() -> None:
    """Measure every config in a process of its own, so that peaks of memory do not mix."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG")
    parser.add_argument("--size", type=int, nargs=2, default=[512, 512], metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=6)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--json", action="store_true", help="one config, in this process, as JSON")
    args = parser.parse_args()
    if args.json:
        (config,) = args.configs
        result = measure(config, args.size, args.batch_size, args.steps, args.device)
        print(json.dumps(result))
        return
    options = ["--batch-size", str(args.batch_size), "--steps", str(args.steps)]
    options += ["--size", *map(str, args.size), "--device", args.device, "--json"]
    first = None
    columns = (("s/step", 8), ("ratio", 6), ("cpu s", 8), ("ratio", 6), ("MB", 7), ("ratio", 6))
    head = " ".join(f"{name:>{width}s}" for name, width in columns)
    print(f"{'config':40s} {head} {'hours':>7s}")
    for config in args.configs:
        command = [sys.executable, __file__, config, *options]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result = json.loads(done.stdout.splitlines()[-1])
        first = first or result
        cells = ""
        for key, form in (("seconds", "8.3f"), ("cpu_seconds", "8.3f"), ("megabytes", "7.0f")):
            cells += f" {result[key]:{form}} {result[key] / first[key]:6.2f}"
        iters = result["max_iters"]
        hours = f"{iters * result['seconds'] / 3600:7.1f}" if iters else "      -"
        print(f"{config:40s}{cells} {hours}", flush=True)


if __name__ == "__main__":
    main()
