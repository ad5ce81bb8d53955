"""A toy task for real Runner runs: random augmentation, dropout, momentum, and a record of samples.

The record is a file to which the model appends one line an iteration, so it also survives the
process that wrote it.
"""

import json
import random
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.runner import Runner
from torch import nn


@DATASETS.register_module(force=True)
class EngineToyDataset(BaseDataset):
    METAINFO = dict(classes=("a", "b"))

    def __init__(self, size=23, **kwargs):
        self.size = size
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(value=float(i)) for i in range(self.size)]


@TRANSFORMS.register_module(force=True)
class EngineToyAugment:
    """Draws from each of the three generators, a varying number of times."""

    def __call__(self, results):
        for _ in range(random.randint(0, 3)):
            np.random.rand()
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return dict(
            inputs=torch.tensor([results["value"], noise]),
            data_samples=torch.tensor(results["sample_idx"] + 0),
        )


@MODELS.register_module(force=True)
class EngineToyModel(BaseModel):
    def __init__(self, record=None, dropout=0.5, width=4):
        super().__init__()
        self.backbone = nn.Linear(2, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, 1)
        self.record = record

    def forward(self, inputs, data_samples=None, mode="tensor"):
        inputs = torch.stack(list(inputs)) if not torch.is_tensor(inputs) else inputs
        out = self.head(self.dropout(torch.tanh(self.backbone(inputs / 10))))
        if mode == "loss":
            if self.record:
                rows = [[int(i), x[1].item()] for i, x in zip(data_samples, inputs, strict=True)]
                with open(self.record, "a") as file:
                    file.write(json.dumps(rows) + "\n")
            return dict(loss_task=(out[:, 0] - inputs[:, 1]).square().mean())
        return out


def toy_config(
    work_dir, *, max_iters=12, num_workers=0, batch_size=4, record=None, seed=5, **extra
):
    """Keyword arguments of a Runner for an iteration-based training of the toy."""
    config = dict(
        model=dict(type="EngineToyModel", record=None if record is None else str(record)),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size,
            num_workers=num_workers,
            sampler=dict(type="KeyedInfiniteSampler"),
            dataset=dict(
                type="KeyedRandomnessDataset",
                dataset=dict(type="EngineToyDataset", pipeline=[dict(type="EngineToyAugment")]),
            ),
        ),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9)),
        param_scheduler=[dict(type="PolyLR", power=0.9, by_epoch=False, begin=0, end=20)],
        custom_hooks=[dict(type="KeyedRandomnessHook")],
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=6),
            logger=dict(type="LoggerHook", interval=1),
        ),
        randomness=dict(seed=seed),
        log_level="ERROR",
        experiment_name=Path(work_dir).name,
    )
    config.update(extra)
    return config


_RUNS = iter(range(10**9))


def run_toy(config, with_cfg=False):
    """Train and return the runner; its name is made unique, as mmengine keeps named singletons.

    With ``with_cfg`` the runner knows its config; it may hold no objects then.
    """
    config = dict(config, experiment_name=f"{config['experiment_name']}_{next(_RUNS)}")
    runner = Runner.from_cfg(Config(config)) if with_cfg else Runner(**config)
    try:
        runner.train()
    finally:
        # Ends the data workers now. Left to the garbage collector, which finds the runner in a
        # reference cycle, each of them is waited for until its poll of five seconds runs out.
        getattr(runner._train_loop, "__dict__", {}).pop("dataloader_iterator", None)
    return runner


def read_record(path):
    """Samples of each iteration, as lists of [index, noise]."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
