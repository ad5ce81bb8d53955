import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmasg.guard.dumped_config import check_dumped_config
from mmasg.guard.step_dump import replay_step


@HOOKS.register_module(force=True)
class HookOfThisTest(Hook):
    pass


def replay(tmp_path, **config):
    config = dict(model=dict(type="ResNet"), optim_wrapper=dict(type="OptimWrapper")) | config
    dump = dict(version=1, batch={}, iter=1, config=json.dumps(config))
    torch.save(dump, tmp_path / "dump.pth")
    return replay_step(tmp_path / "dump.pth")


@pytest.mark.parametrize("name", ["os.mkdir", "subprocess.Popen", "mmengine.Config.fromfile"])
def test_a_dump_calls_nothing_that_is_not_registered(tmp_path, name):
    model = dict(type=name, name=str(tmp_path / "ran"))
    message = rf"model.type in the file: got '{name}'; allowed: names that this process"
    with pytest.raises(ValueError, match=message):
        replay(tmp_path, model=model)
    with pytest.raises(ValueError, match=r"optim_wrapper.optimizer.type in the file"):
        replay(tmp_path, optim_wrapper=dict(type="OptimWrapper", optimizer=model))
    assert not (tmp_path / "ran").exists()


def test_a_dump_brings_no_hooks_of_other_packages(tmp_path):
    # mmcv's evaluates its arguments.
    for name in ("RFSearchHook", "mmcv.RFSearchHook", "HookOfThisTest"):
        with pytest.raises(ValueError, match=r"custom_hooks\[0\].type in the file.*--drop-hook"):
            replay(tmp_path, custom_hooks=[dict(type=name)])


def test_a_dump_imports_no_package(tmp_path, monkeypatch):
    (tmp_path / "hostile_scope.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for config in (dict(default_scope="hostile_scope"), dict(model=dict(type="hostile_scope.A"))):
        with pytest.raises(ValueError, match="got 'hostile_scope"):
            replay(tmp_path, **config)
    assert not (tmp_path / "ran").exists()


def test_what_is_registered_passes_in_every_spelling():
    parts = dict(
        model=dict(type="mmseg.ResNet", norm_cfg=dict(type="BN")),
        custom_hooks=[dict(type="ImageNetConsistencyHook"), dict(type="EMAHook")],
        optim_wrapper=dict(type="mmengine.optim.optimizer.optimizer_wrapper.OptimWrapper"),
    )
    check_dumped_config(parts, "mmseg")
