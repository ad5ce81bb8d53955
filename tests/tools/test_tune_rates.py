"""The policy tuned on a tiny segmentation task, as a user types it."""

import json
from pathlib import Path

import pytest
import street_files
import torch
from load_tool import load_tool
from mmengine.config import Config
from mmengine.registry import METRICS

from mmasg.l2o import load_group_policy
from mmasg.l2o.tuning import _SCORES, tuning_environment

CONFIG = """
custom_imports = dict(imports=['mmasg'], allow_failed_imports=False)
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 32), seg_pad_val=255),
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8,
                  norm_cfg=dict(type='BN'), norm_eval=True),
    decode_head=dict(type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1,
                     num_classes=19, norm_cfg=dict(type='BN'), align_corners=False,
                     loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='KeyedInfiniteSampler', shuffle=True),
    dataset=dict(type='KeyedRandomnessDataset', dataset=dict(
        type='GTA5Dataset', data_root={data!r}, pipeline=train_pipeline)))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)),
    dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=50000)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
    constructor='LayerGroupOptimWrapperConstructor',
    paramwise_cfg=dict(groups=[
        dict(name='body', patterns=['backbone.*'], lr_mult=0.1), dict(name='head', rest=True)]))
param_scheduler = [dict(type='PolyLR', end=50000, by_epoch=False)]
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    street_files.gta5(folder / "gta5", frames=10, raw=False)
    path = folder / "tiny.py"
    path.write_text(CONFIG.format(data=str(folder / "gta5")))
    return path


def test_trains_on_one_part_and_scores_on_the_other(config):
    cfg = Config.fromfile(config)
    made = tuning_environment(cfg, (10, 20), held_out=0.3, frames=2, batch_size=4)
    loader, scored = made["config"]["train_dataloader"], made["score"]["dataloader"]["dataset"]
    kept, out = loader["dataset"]["dataset"]["indices"], scored["indices"]
    assert len(kept) == 7 and len(out) == 2 and not set(kept) & set(out)
    assert [step["type"] for step in scored["pipeline"]] == [
        "LoadImageFromFile",
        "Resize",
        "PhotometricShift",
        "LoadAnnotations",
        "PackSegInputs",
    ]
    subset, length = made["draws"]
    assert subset == dict(subset=(3, 7), of=kept, keys="train_dataloader.dataset.dataset.indices")
    assert length["log_uniform"] == (10, 20) and loader["batch_size"] == 4
    assert loader["sampler"]["type"] == "KeyedInfiniteSampler"
    groups = made["config"]["optim_wrapper"]["paramwise_cfg"]["groups"]
    assert not any("lr_mult" in group for group in groups)
    assert "lr_mult" in cfg.optim_wrapper.paramwise_cfg.groups[0]  # the caller's is left alone
    # Data that a config already restricts stays restricted, and the choice does not move.
    cfg.train_dataloader.dataset.dataset.indices = [*range(9)]
    again = tuning_environment(cfg, held_out=0.3)["score"]["dataloader"]["dataset"]["indices"]
    assert 9 not in again
    with pytest.raises(ValueError, match="optim_wrapper.constructor: got None; allowed: 'LayerGr"):
        cfg.optim_wrapper.constructor = None
        tuning_environment(cfg)
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.dataset.pipeline[-1].type = "PackDetInputs"
    with pytest.raises(ValueError, match="pipeline: got .*PackDetInputs.*ends with one of"):
        tuning_environment(cfg)


def test_the_classification_metric_returns_what_is_asked_for():
    evaluator, name = _SCORES["PackClassification"]
    metric = METRICS.build(evaluator)
    metric.dataset_meta = dict(classes=("a", "b"))
    metric.process(None, [dict(gt_label=i, pred_label=0, img_path="x.png") for i in (0, 1)])
    assert metric.evaluate(2)[name] == 50
    path = Path(__file__).parents[2] / "configs/asg/group_policy_mini.py"
    objects = Config.fromfile(path).train_cfg.environments[1]
    assert (objects.score.evaluator, objects.score.metric) == (evaluator, name)


def test_tunes_compares_and_goes_on(config, tmp_path, capsys):
    tool, folder = load_tool("tune_rates"), tmp_path / "tuned"
    arguments = [str(config), "--work-dir", str(folder), "--iters", "10", "10", "--pairs", "1"]
    arguments += ["--episodes", "2", "--frames", "2", "--workers", "1"]
    tool.main([*arguments, "--hours", "1e-5"])
    output = capsys.readouterr().out
    assert output.count("update ") == 1 and "left" in output  # one at least, whatever it takes
    policy = load_group_policy(folder / "policy.pth")
    meta = torch.load(folder / "policy.pth", weights_only=True)["meta"]
    assert meta["updates"] == 1 and meta["trained_on"] == "tiny.py"
    result = json.loads((folder / "comparison.json").read_text())
    assert list(result["summary"]) == ["policy", "fixed rule"] and result["episodes"] == 2
    low, high = result["summary"]["fixed rule"]["interval"]
    use = "Use it: custom_hooks" if low > 0 else "It is not shown to be better"
    assert use in output and "with the fixed rule" in output
    assert f"95% interval {low:+.3f} to {high:+.3f}" in output
    with pytest.raises(ValueError, match="frames.*2.*3"):
        tool.main([*arguments, "--hours", "1e-5", "--resume", "--frames", "3"])
    before = policy.state_dict()
    tool.main([*arguments, "--hours", "1e-5", "--resume"])  # the time was up: nothing but the end
    assert "update " not in capsys.readouterr().out
    after = load_group_policy(folder / "policy.pth").state_dict()
    assert all((value == after[name]).all() for name, value in before.items())


@pytest.mark.parametrize(
    "words, match",
    [
        (["--hours", "0"], "--hours: got 0.0; allowed: a number above 0"),
        (["--iters", "400", "60"], r"--iters: got \[400, 60\]"),
        (["--episodes", "1"], "--episodes: got 1; allowed: an integer >= 2"),
        (["--held-out", "1"], "--held-out: got 1.0; allowed: a share between 0 and 1"),
    ],
)
def test_bad_switches(config, words, match):
    with pytest.raises(ValueError, match=match):
        load_tool("tune_rates").main([str(config), *words])


def test_what_a_comparison_says():
    tool = load_tool("tune_rates")

    def said(low):
        row = dict(advantage=(1.5, 0.2), interval=(low, 3.0), last_score=(30.0, 1.0))
        own = dict(last_score=(31.5, 1.0))
        return tool.verdict(dict(summary={"policy": own, "fixed rule": row}), "p.pth", 5)

    assert "Use it" in said(0.1) and "use the fixed rule" in said(-0.1)
    assert "use the fixed rule" in said(float("nan"))
