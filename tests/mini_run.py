"""The miniature configs on frames small enough for tests: the whole method in seconds."""

from pathlib import Path

import torch
from PIL import Image
from street_files import write_ids, write_image

ROOT = Path(__file__).resolve().parents[1]
SIZE = (128, 96)

# Crops of 64 pixels fit into every frame, resized by 0.75 even: no pixel is padded or ignored.
CONFIG = """
_base_ = {base!r}
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomResize', scale=(128, 96), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(64, 64)),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size={batch_size}, num_workers={num_workers},
    dataset=dict(dataset=dict(data_root={data!r}, pipeline=train_pipeline)))
train_cfg = dict(max_iters={max_iters}, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr={lr}))
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
model = dict(data_preprocessor=dict(size=(64, 64)))
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval={interval}, max_keep_ckpts=2),
    visualization=dict(_delete_=True, type='IterTimerHook'))
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
env_cfg = dict(cudnn_benchmark=False)
custom_hooks = [
    dict(type='ImageNetConsistencyHook', loss_weight={weight}, eval_mode='all',
         max_weighted_loss={cap}),
    dict(type='LayerLRPolicyHook', policy={policy!r}, window=3)] + {hooks!r}
"""


def write_frames(root: Path, frames=7) -> Path:
    for number in range(1, frames + 1):
        path = write_image(root / f"images/{number:05d}.png", size=(16, 12), seed=number)
        with Image.open(path) as small:  # soft blobs: on noise the networks are erratic
            small.resize(SIZE, Image.Resampling.BICUBIC).save(path)
        ids = [0, 13, 10, 2][number % 4 :] + [number % 19]
        write_ids(root / f"labels/{number:05d}_labelTrainIds.png", ids, size=SIZE)
    (root / "train.txt").write_text("\n".join(f"{n:05d}" for n in range(1, frames + 1)))
    return root


def write_policy(path: Path, num_groups=7) -> Path:
    from mmasg.l2o import LSTMPolicy

    with torch.random.fork_rng():
        torch.manual_seed(4)
        policy = LSTMPolicy(num_groups=num_groups)
        # Logits of a spread that makes the choice depend on what is observed.
        for name, parameter in policy.named_parameters():
            if name.startswith("heads"):
                torch.nn.init.normal_(parameter)
    torch.save(dict(state_dict=policy.state_dict()), path)
    return path


def write_config(
    folder: Path,
    batch_size=2,
    num_workers=0,
    max_iters=20,
    interval=4,
    cap=None,
    lr=0.05,
    weight=10.0,
    hooks=(),
    base="mini_gta2cityscapes.py",
    name="config.py",
) -> Path:
    """Writes data, policy and config into a folder; the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    if not data.is_dir():
        write_frames(data)
        write_policy(folder / "policy.pth")
    text = CONFIG.format(
        base=str(ROOT / "configs" / "asg" / base),
        batch_size=batch_size,
        num_workers=num_workers,
        data=str(data),
        max_iters=max_iters,
        interval=interval,
        cap=cap,
        lr=lr,
        weight=weight,
        policy=str(folder / "policy.pth"),
        hooks=list(hooks),
    )
    path = folder / name
    path.write_text(text)
    return path
