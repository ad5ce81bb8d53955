"""A run of a comparison with mmengine's Runner: the commands themselves, in this process."""

import itertools
import sys
from pathlib import Path

import pytest
from load_tool import load_tool
from mini_run import ROOT
from mmengine.config import Config
from seg_toy import resnet18, segmentor, toy_config

from mmasg.benchmark.arms import Arm
from mmasg.benchmark.results import LAST, Result
from mmasg.benchmark.runs import Run
from mmasg.benchmark.train_log import read_progress

COUNTER = itertools.count()


@pytest.fixture
def config(tmp_path):
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dict(type="SegToyDataset", length=3),
    )
    evaluator = dict(type="mmseg.IoUMetric", iou_metrics=["mIoU"])
    settings = toy_config(
        tmp_path,
        segmentor(resnet18()),
        max_iters=4,
        test_dataloader=loader,
        test_cfg=dict(type="TestLoop"),
        test_evaluator=evaluator,
    )
    settings["default_hooks"]["checkpoint"].update(interval=4, save_last=True)
    Config(settings).dump(tmp_path / "config.py")
    return str(tmp_path / "config.py")


@pytest.fixture
def call(monkeypatch):
    def call(command, log, tick):
        tool = load_tool(Path(command[0]).relative_to(ROOT / "tools").with_suffix(""))
        # mmengine keeps runs of one name apart by the second in which they start.
        options = [*command, f"experiment_name=real_run_{next(COUNTER)}"]
        monkeypatch.setattr(sys, "argv", options)
        tool.main()
        if tick is not None:
            tick(1.0)
        return 0

    return call


def make(folder, config, seed=0):
    arm = Arm("toy", config, options=("optim_wrapper.optimizer.lr=0.02",))
    return Run(
        arm, seed, folder, {"target": "test_dataloader"}, also_at=[2], keep_predictions=False
    )


def test_a_run_is_trained_tested_at_its_points_and_resumed(tmp_path, config, call):
    whole = make(tmp_path / "whole", config)
    whole.complete(call)
    result = Result.read(whole.result_file)
    assert set(result.metrics) == {"2", LAST}
    scores = [result.value("mIoU", "test_dataloader", point) for point in ("2", LAST)]
    assert all(0 <= score <= 100 for score in scores) and scores[0] != scores[1]
    assert sorted(p.name for p in whole.folder.glob("*.pth")) == ["iter_2.pth", "iter_4.pth"]
    assert whole.finished()

    # A training that was killed after its first checkpoint comes to the same numbers.
    killed = make(tmp_path / "killed", config)

    def half(command, log, tick):
        call([*command, "train_cfg.max_iters=2"], log, tick)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.complete(half)
    killed = make(tmp_path / "killed", config)
    killed.complete(call)
    assert Result.read(killed.result_file).metrics == result.metrics


def test_progress_is_what_mmengine_prints(tmp_path, config, call):
    run = make(tmp_path / "run", config)
    run.complete(call)
    (text,) = [p for p in run.folder.glob("*/*.log") if "Iter(train)" in p.read_text()]
    assert read_progress(text)[:3] == (1, 4, 4)
