import tempfile
from pathlib import Path

import mmseg
import pytest
from leaves import LEAVES
from mmengine.config import Config

from mmasg.guard.config_check import check_config

SHIPPED = sorted(
    path
    for path in (Path(mmseg.__file__).parent / ".mim/configs").rglob("*.py")
    if "_base_" not in path.parts
)


@pytest.mark.parametrize("path", LEAVES, ids=lambda p: p.stem)
def test_the_configs_of_the_repository_pass(path, monkeypatch):
    for name in ("TRAIN_ROOT", "TEST_ROOT"):
        monkeypatch.setenv(name, str(Path(".")))
    # Of Mask2Former's, mmdet, which need not be installed; its names say their scope.
    check_config(Config.fromfile(path, import_custom_modules=False))


@pytest.mark.parametrize("part", range(4))
def test_every_config_that_mmsegmentation_ships_passes(part, monkeypatch):
    assert len(SHIPPED) > 600
    if Path("/dev/shm").is_dir():  # mmengine copies every file of a config: four times as fast
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    refused = {}
    for path in SHIPPED[part::4]:
        # mmdet and mmpretrain, which some import, are not installed; their names say their scope.
        config = Config.fromfile(
            path,
            import_custom_modules=False,
            use_predefined_variables=False,
            use_environment_variables=False,
        )
        try:
            check_config(config)
        except ValueError as error:
            refused[path.name] = str(error)
    assert not refused


def test_names_are_found_at_any_depth():
    dataset = dict(type="RepeatDataset", times=2, dataset=dict(type="GTA5Dataset", datroot="x"))
    with pytest.raises(
        ValueError, match=r"train_dataloader.dataset.dataset.datroot: GTA5Dataset has no argument"
    ):
        check_config(dict(train_dataloader=dict(dataset=dataset)))
    with pytest.raises(ValueError, match=r"model.decode_head\[1\].loss_decode.type: .*DiceLoss"):
        check_config(dict(model=dict(decode_head=[{}, dict(loss_decode=dict(type="DiceLos"))])))
    albu = dict(type="Albu", transforms=[dict(type="RandomGamma", p=0.5)], keymapp={})
    dataset = dict(type="GTA5Dataset", pipeline=[albu])
    with pytest.raises(ValueError, match=r"pipeline\[0\].keymapp: Albu .*mean 'keymap'\?"):
        check_config(dict(train_dataloader=dict(dataset=dataset)))


@pytest.mark.parametrize("kind", ["norm", "value"])
def test_the_kinds_of_clipping_are_no_classes(kind):
    check_config(dict(optim_wrapper=dict(clip_grad=dict(type=kind, max_norm=1.0))))


def test_the_top_level_keys_are_the_runners():
    with pytest.raises(ValueError, match=r"val_evaluater: .*nothing reads. Did you mean 'val_eval"):
        check_config(dict(val_evaluater=dict(type="IoUMetric")))
    check_config(dict(val_evaluator=dict(type="IoUMetric"), vall=dict(type="NoClass")))


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
