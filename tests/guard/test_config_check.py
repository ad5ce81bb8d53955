from pathlib import Path

import pytest
from mini_run import ROOT
from mmengine.config import Config

from mmasg.guard.config_check import check_config

LEAVES = sorted((ROOT / "configs" / "asg").glob("*.py"))


@pytest.mark.parametrize("path", LEAVES, ids=lambda p: p.stem)
def test_the_configs_of_the_repository_pass(path, monkeypatch):
    for name in ("TRAIN_ROOT", "TEST_ROOT"):
        monkeypatch.setenv(name, str(Path(".")))
    check_config(Config.fromfile(path))


def test_names_are_found_at_any_depth():
    dataset = dict(type="RepeatDataset", times=2, dataset=dict(type="GTA5Dataset", datroot="x"))
    with pytest.raises(
        ValueError, match=r"train_dataloader.dataset.dataset.datroot: GTA5Dataset has no argument"
    ):
        check_config(dict(train_dataloader=dict(dataset=dataset)))
    with pytest.raises(ValueError, match=r"model.decode_head\[1\].loss_decode.type: .*DiceLoss"):
        check_config(dict(model=dict(decode_head=[{}, dict(loss_decode=dict(type="DiceLos"))])))


def test_what_mmengine_resolves_by_itself_passes():
    check_config(
        dict(
            custom_hooks=[dict(type="mmengine.hooks.EMAHook", momentum=1e-3, priority=49)],
            optim_wrapper=dict(optimizer=dict(type="torch.optim.SGD", lr=0.1)),
            model=dict(
                type="mmseg.EncoderDecoder", init_cfg=dict(type="Pretrained", checkpoint="")
            ),
            train_dataloader=dict(collate_fn=dict(type="pseudo_collate")),
            my_variable=3,
        )
    )
