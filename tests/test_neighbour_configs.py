"""The neighbours' configs on the miniature: two iterations, interrupted and resumed exactly.

Those on CARLA -> CamVid have the same lines; tests/test_configs_on_two_ranks.py trains them on two
processes, and resumes those that remember something beside the model.
"""

from pathlib import Path

import ddp_configs
import ddp_parts  # noqa: F401
import pytest
import torch
from mmengine.config import Config
from seg_toy import Recorder, build_runner

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "pasta_consistency",
    "contrast",
    "contrast_consistency",
    "augcal",
    "whitening",
    "averaged",
    "dinov2_consistency",
)


def run(name, folder, work_dir, **extra):
    cfg = Config.fromfile(ROOT / f"configs/asg/mini_gta2cityscapes_relative_{name}.py")
    cfg = ddp_configs.shrink(cfg, folder)
    cfg.default_hooks.checkpoint = dict(
        type="AtomicCheckpointHook", by_epoch=False, interval=1, max_keep_ckpts=-1
    )
    cfg.merge_from_dict(dict(extra, work_dir=str(work_dir), env_cfg=dict(cudnn_benchmark=False)))
    runner = build_runner(cfg)
    recorder = Recorder()
    runner.register_hook(recorder, recorder.priority)
    runner.train()
    return runner, recorder


@pytest.mark.parametrize("name", NAMES)
def test_resumes_to_the_same_weights(name, tmp_path):
    whole, first = run(name, tmp_path, tmp_path / "whole")
    saved = str(tmp_path / "whole/iter_1.pth")
    rest, second = run(name, tmp_path, tmp_path / "rest", resume=True, load_from=saved)
    assert len(first.log) == 2 and second.log == first.log[1:]
    for key, value in rest.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[key]), key
    ends = [torch.load(tmp_path / part / "iter_2.pth", weights_only=False)
            for part in ("whole", "rest")]  # fmt: skip
    assert torch.equal(
        *(torch.cat([v.flatten().float() for v in end["state_dict"].values()]) for end in ends)
    )  # what is saved: the averaged weights, where there are some
    if name == "averaged":
        averaged = ends[0]["state_dict"]["decode_head.conv_seg.weight"]
        assert not torch.equal(averaged, whole.model.state_dict()["decode_head.conv_seg.weight"])
