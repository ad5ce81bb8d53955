"""The configs of who sets the rates: each trains two iterations, and resumes to the same bits.

With their own optimizer, schedule and hooks, on a network of a second; that their layer groups fit
their own network is tested in test_configs.py.
"""

import itertools
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from seg_toy import resnet18, segmentor, toy_config, write_imagenet_file

from mmasg.optim import PACKAGE_OPTIMIZERS

CONFIGS = sorted((Path(__file__).parents[1] / "configs/asg").glob("*_rates_*.py"))
# torch's AdamW in place of torch's SGD, and nothing else: one of the four is enough.
LIKE_SGD = [f"mini_gta2cityscapes_rates_{arm}_adamw" for arm in ("handset", "equal", "random")]
CONFIGS = [path for path in CONFIGS if path.stem not in LIKE_SGD]
_COUNTER = itertools.count()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_imagenet_file(tmp_path_factory.mktemp("imagenet") / "r18.pth", resnet18())


def runner(path, file, folder, **changes):
    cfg = Config.fromfile(path)
    cfg.optim_wrapper.paramwise_cfg.preset = "resnet"
    kept = {k: cfg[k] for k in ("optim_wrapper", "param_scheduler", "custom_hooks")}
    config = toy_config(
        folder,
        segmentor(resnet18(file)),
        **{**Config(kept).to_dict(), **changes},
        log_processor=dict(by_epoch=False),
        experiment_name=f"{path.stem}_{next(_COUNTER)}",
    )
    config["custom_hooks"].append(dict(type="TrainingCheckHook"))
    config["train_dataloader"]["sampler"] = dict(type="KeyedInfiniteSampler")
    config["default_hooks"]["checkpoint"]["interval"] = 1
    # Without a config as a whole, whose text mmengine would lay out for every checkpoint.
    return Runner(**config)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem.split("_rates_")[1])
def test_trains_and_resumes(path, file, tmp_path):
    kind = Config.fromfile(path).optim_wrapper.optimizer.type
    if kind in PACKAGE_OPTIMIZERS:
        package = PACKAGE_OPTIMIZERS[kind][0]
        pytest.importorskip(package, reason="needs: pip install mmasg[rates]")
    whole = runner(path, file, tmp_path / "whole")
    whole.train()
    begun = torch.load(tmp_path / "whole/iter_1.pth", weights_only=False)["state_dict"]
    trained = whole.model.state_dict()
    assert any(not torch.equal(trained[name], begun[name]) for name in begun)
    first = str(tmp_path / "whole/iter_1.pth")
    rest = runner(path, file, tmp_path / "rest", load_from=first, resume=True)
    rest.train()
    assert rest.iter == 2
    for name, value in rest.model.state_dict().items():
        assert torch.equal(value, trained[name]), name
