import pytest
from seg_toy import resnet18, segmentor, toy_config, train

#: Its pyramid pools to one pixel: one value per channel and sample in front of a BatchNorm.
PSP = dict(
    type="mmseg.PSPHead",
    in_channels=64,
    in_index=3,
    channels=8,
    pool_scales=(1, 2),
    num_classes=3,
    norm_cfg=dict(type="BN"),
    align_corners=False,
    loss_decode=dict(type="mmseg.CrossEntropyLoss"),
)


def config(folder, batch_size, length=8, epochs=False, **loader):
    cfg = toy_config(
        folder,
        segmentor(resnet18(), PSP),
        batch_size=batch_size,
        hooks=[dict(type="TrainingCheckHook")],
    )
    # 64 pixels: the backbone's last map has four, the pyramid's first level one.
    data = dict(type="SegToyDataset", length=length, size=(64, 64))
    cfg["train_dataloader"].update(dataset=data, **loader)
    if epochs:
        cfg["train_cfg"] = dict(type="EpochBasedTrainLoop", max_epochs=1)
        cfg["train_dataloader"]["sampler"] = dict(type="DefaultSampler", shuffle=False)
    return cfg


def test_batches_of_one(tmp_path):
    message = (
        r"train_dataloader\.batch_size: got 1; allowed: .*BatchNorm "
        r"'decode_head\.psp_modules\.0\.1\.bn' .*Set batch_size=2 or more"
    )
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path, 1))


def test_the_last_batch_of_an_epoch(tmp_path):
    message = r"train_dataloader\.drop_last: got False; .*last batch of the epoch .*drop_last=True"
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path / "a", 2, length=5, epochs=True))
    runner, _ = train(config(tmp_path / "b", 2, length=5, epochs=True, drop_last=True))
    assert runner.iter == 2


def test_a_batch_of_one_that_no_layer_minds(tmp_path):
    cfg = config(tmp_path, 1)
    cfg["model"]["decode_head"]["norm_cfg"] = dict(type="GN", num_groups=2)
    runner, _ = train(cfg)
    assert not any(m._forward_pre_hooks for m in runner.model.modules())
