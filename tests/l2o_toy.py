"""A tiny training run with named layer groups, for the tests of the learning-rate policy."""

import itertools

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

import mmasg  # noqa: F401

_COUNTER = itertools.count()
GROUPS = ["first", "second", "rest"]


@MODELS.register_module()
class ToyNet(BaseModel):
    """Three linear layers; the group 'rest' holds the last one and a norm."""

    def __init__(self, explode_at=None):
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.second = nn.Linear(6, 6)
        self.norm = nn.LayerNorm(6)
        self.last = nn.Linear(6, 3)
        self.explode_at = explode_at
        self.calls = 0

    def init_weights(self):
        pass

    def forward(self, inputs, target=None, mode="tensor"):
        hidden = self.norm(self.second(torch.relu(self.first(inputs))))
        logits = self.last(hidden)
        if mode != "loss":
            return logits
        self.calls += 1
        loss = nn.functional.cross_entropy(logits, target)
        if self.explode_at is not None and self.calls >= self.explode_at:
            loss = loss * float("nan")
        extra = logits.square().mean()
        return dict(
            loss_ce=loss, loss_extra=0.1 * extra, loss_imagenet=0.5 * extra, kl_imagenet=extra
        )


@DATASETS.register_module()
class ToyData(Dataset):
    METAINFO = {}

    def __init__(self, length=24):
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(length, 4, generator=generator)
        self.y = torch.randint(0, 3, (length,), generator=generator)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return dict(inputs=self.x[index], target=self.y[index])


@METRICS.register_module()
class ToyConfidence(BaseMetric):
    """Mean probability (%) of the true class: smooth, so that it tells any two networks apart."""

    def process(self, data_batch, data_samples):
        for target, logits in zip(data_batch["target"], data_samples, strict=True):
            self.results.append(100 * logits.softmax(0)[target].item())

    def compute_metrics(self, results):
        return dict(confidence=sum(results) / len(results))


SCORE = dict(
    metric="confidence",
    evaluator=dict(type="ToyConfidence"),
    dataloader=dict(
        dataset=dict(type="ToyData", length=10),
        batch_size=4,
        num_workers=0,
        collate_fn=dict(type="default_collate"),
        sampler=dict(type="DefaultSampler", shuffle=False),
    ),
)


def toy_config(work_dir, *, hook=None, max_iters=24, by_epoch=False, **overrides):
    """Config of a run; `hook` is the arguments of a LayerLRPolicyHook."""
    groups = [
        dict(name="first", patterns=["first.*"]),
        dict(name="second", patterns=["second.*"]),
        dict(name="rest", rest=True),
    ]
    if by_epoch:
        train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_iters // 6)
    else:
        train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters)
    config = dict(
        custom_imports=dict(imports=["l2o_toy"]),  # for processes of their own
        model=dict(type="ToyNet"),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=dict(type="ToyData"),
            batch_size=4,
            collate_fn=dict(type="default_collate"),
            num_workers=0,
            sampler=dict(type="DefaultSampler" if by_epoch else "InfiniteSampler", shuffle=True),
        ),
        train_cfg=train_cfg,
        optim_wrapper=dict(
            type="OptimWrapper",
            constructor="LayerGroupOptimWrapperConstructor",
            optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-3),
            paramwise_cfg=dict(groups=groups),
        ),
        param_scheduler=[dict(type="PolyLR", power=0.9, end=max_iters, by_epoch=False)],
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", interval=1000, by_epoch=by_epoch),
            logger=dict(type="LoggerHook", interval=4),
        ),
        log_processor=dict(by_epoch=by_epoch),
        custom_hooks=[] if hook is None else [dict(type="LayerLRPolicyHook", **hook)],
        # MMEngine's instances live by this name and the second of the start.
        experiment_name=f"toy{next(_COUNTER)}",
        randomness=dict(seed=7),
        default_scope="mmengine",
        log_level="WARNING",
    )
    config.update(overrides)
    return Config(config)


def toy_runner(work_dir, **kwargs):
    return Runner.from_cfg(toy_config(work_dir, **kwargs))


def policy_hook(runner):
    from mmasg.l2o import LayerLRPolicyHook

    return next(hook for hook in runner.hooks if isinstance(hook, LayerLRPolicyHook))
