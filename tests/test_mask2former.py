"""Mask2Former, whose head is mmdetection's, takes our hook, where it can be built."""

import pytest
from leaves import LEAVES, MISSING
from mmengine.config import Config
from seg_toy import build_runner, random_state, resnet18, toy_config, write_imagenet_file

from mmasg.guard.config_check import check_config

CONFIG = next(p for p in LEAVES if p.stem == "gta2cityscapes_mask2former_consistency")


def test_its_names_are_right_where_mmdetection_is_not_there():
    cfg = Config.fromfile(CONFIG, import_custom_modules=False)
    check_config(cfg)
    assert [h.type for h in cfg.custom_hooks] == ["ImageNetConsistencyHook"]
    assert cfg.optim_wrapper.optimizer.type == "AdamW" and "momentum" not in cfg.optim_wrapper
    assert cfg.custom_imports.imports == ["mmasg", "mmdet.models"]


@pytest.mark.skipif(MISSING["mask2former"] is not None, reason=str(MISSING["mask2former"]))
def test_two_iterations(tmp_path):
    cfg = Config.fromfile(CONFIG)
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    model = cfg.model.to_dict()
    model["type"] = "mmseg.EncoderDecoder"
    model["backbone"] = resnet18(file)
    model["data_preprocessor"].update(type="mmseg.SegDataPreProcessor", size=(64, 64))
    head = model["decode_head"]
    head.update(type="mmseg.Mask2FormerHead", in_channels=[8, 16, 32, 64], num_classes=3)
    head["loss_cls"]["class_weight"] = [1.0, 1.0, 1.0, 0.1]
    head["train_cfg"]["num_points"] = 64
    runner = build_runner(toy_config(tmp_path / "run", model, dict(loss_weight=1.0)))
    runner.train()
    assert runner.iter == 2
    assert set(random_state(model["backbone"])) <= {
        k.removeprefix("backbone.") for k in runner.model.state_dict()
    }
