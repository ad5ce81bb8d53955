import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from seg_toy import resnet18, segmentor
from street_files import CITYSCAPES_VAL, cityscapes, write_ids, write_image

from mmasg.commands.test_options import augment, choose_dataloader, write_predictions

LOAD, LABELS = dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")
PACK = dict(type="PackSegInputs")
SMALLER = dict(type="Resize", scale=(24, 12), keep_ratio=True)
MIRROR = [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)]
TTA = [LOAD, dict(type="TestTimeAug", transforms=[MIRROR, [LABELS], [PACK]])]


def config(*pipelines, evaluator="MultiTargetIoUMetric", **extra):
    parts = [dict(type="Cityscapes19Dataset", pipeline=pipeline) for pipeline in pipelines]
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(type="EncoderDecoder"),
            test_dataloader=dict(dataset=dict(type="ConcatDataset", datasets=parts)),
            test_evaluator=dict(type=evaluator),
            tta_model=dict(type="SegTTAModel"),
            tta_pipeline=TTA,
            **extra,
        )
    )


def pipelines(cfg):
    return [part.pipeline for part in cfg.test_dataloader.dataset.datasets]


def test_steps_of_one_target_alone_stay_under_augmentation():
    cfg = config([LOAD, LABELS, PACK], [LOAD, SMALLER, LABELS, PACK])
    augment(cfg)
    assert pipelines(cfg) == [TTA, [LOAD, SMALLER, TTA[1]]]
    assert cfg.model.type == "SegTTAModel" and cfg.model.module.type == "EncoderDecoder"


def test_the_same_steps_everywhere_give_way_as_in_mmsegmentation():
    cfg = config([LOAD, SMALLER, LABELS, PACK], [LOAD, SMALLER, PACK])
    augment(cfg)
    assert pipelines(cfg) == [TTA, TTA]


def test_augmentation_that_cannot_be():
    with pytest.raises(ValueError, match="--tta: the config has no tta_model and no tta_pipeline"):
        augment(Config(dict(model={})))
    cfg = config([LOAD, PACK], [LOAD, SMALLER, PACK])
    cfg.tta_pipeline = [SMALLER, *TTA]
    with pytest.raises(ValueError, match=r"tta_pipeline\[0\].type: got 'Resize'; allowed: 'LoadI"):
        augment(cfg)


@pytest.mark.parametrize("metric", ["MultiTargetIoUMetric", "ClassIoUMetric", "PerClassAccuracy"])
def test_metrics_get_the_folder_by_their_own_keyword(metric):
    cfg = config([LOAD, PACK], evaluator=metric)
    write_predictions(cfg, "there")
    key = "out_dir" if metric == "PerClassAccuracy" else "output_dir"
    assert cfg.test_evaluator == dict(type=metric, **{key: "there"})


def test_metrics_that_write_nothing():
    cfg = config([LOAD, PACK], evaluator="DumpResults")
    with pytest.raises(ValueError, match=r"--out: got 'there'; .*test_evaluator has \['DumpRes"):
        write_predictions(cfg, "there")


def test_a_dataloader_that_is_not_there():
    cfg = config([LOAD, PACK], val_dataloader=None, source_dataloader=dict(dataset=1))
    with pytest.raises(ValueError, match=r"--dataloader: got 'sorce_dataloader'; .*Did you"):
        choose_dataloader(cfg, "sorce_dataloader")
    with pytest.raises(ValueError, match="--dataloader: got 'val_dataloader'"):
        choose_dataloader(cfg, "val_dataloader")
    choose_dataloader(cfg, "source_dataloader")
    assert cfg.test_dataloader == dict(dataset=1)


def test_two_targets_of_other_sizes_with_augmentation_and_predictions(tmp_path):
    cityscapes(tmp_path / "c")
    write_image(tmp_path / "b/images/0.jpg", size=(48, 32))
    write_ids(tmp_path / "b/labels/0.png", [0, 10], size=(48, 32))
    cfg = config([LOAD, LABELS, PACK], [LOAD, SMALLER, LABELS, PACK])
    first, second = cfg.test_dataloader.dataset.datasets
    first.update(data_root=str(tmp_path / "c"), data_prefix=CITYSCAPES_VAL, test_mode=True)
    prefix = dict(img_path="images", seg_map_path="labels")
    second.update(type="BDD100K19Dataset", data_root=str(tmp_path / "b"), data_prefix=prefix)
    model = segmentor(resnet18())
    model["decode_head"].update(num_classes=19)
    cfg.model = model
    augment(cfg)
    write_predictions(cfg, str(tmp_path / "out"))
    cfg.test_dataloader.update(
        batch_size=1, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False)
    )
    cfg.test_cfg = dict(type="TestLoop")
    cfg.work_dir = str(tmp_path / "work")
    cfg.experiment_name = f"tta{tmp_path.name}"
    result = Runner.from_cfg(cfg).test()
    assert 0 <= result["mIoU/bdd100k"] <= 100 and 0 <= result["mIoU/cityscapes"] <= 100
    written = sorted((tmp_path / "out").iterdir())
    assert [p.name.split("_")[0] for p in written] == ["bdd100k"] + 3 * ["cityscapes"]
    # Predicted at 18 x 12, and enlarged again to what the labels have.
    assert Image.open(written[0]).size == (48, 32)
