import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from street_files import CITYSCAPES_VAL, cityscapes, write_ids, write_image

from mmasg.datasets.class_maps import CLASSES, SYNTHIA_13, SYNTHIA_16, mapillary_ids
from mmasg.datasets.synthia import SYNTHIADataset
from mmasg.datasets.targets import (
    ACDC19Dataset,
    BDD100K19Dataset,
    Cityscapes19Dataset,
    Mapillary19Dataset,
)

LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


def bdd100k(root, frames=2):
    for number in range(frames):
        write_image(root / f"images/10k/val/b1c{number}.jpg", size=(20, 12), seed=number)
        write_ids(root / f"labels/sem_seg/masks/val/b1c{number}.png", [0, 13, 255], size=(20, 12))
    return dict(
        type="BDD100K19Dataset", data_root=str(root), pipeline=LOAD, test_mode=True,
        data_prefix=dict(img_path="images/10k/val", seg_map_path="labels/sem_seg/masks/val"),
    )  # fmt: skip


def mapillary(root, ids, frames=1, version="v1"):
    for number in range(frames):
        write_image(root / f"images/x{number}.jpg", size=(132, 10), seed=number)
        write_ids(root / f"labels/x{number}.png", ids, palette=True, size=(132, 10))
    return dict(
        type="Mapillary19Dataset", data_root=str(root), version=version, pipeline=LOAD,
        data_prefix=dict(img_path="images", seg_map_path="labels"), test_mode=True,
    )  # fmt: skip


def acdc(root):
    for condition in ("fog", "night"):
        for split in ("train", "val"):
            stem = f"{condition}/{split}/GOPR1/GOPR1_frame_1"
            write_image(root / f"rgb_anon/{stem}_rgb_anon.png")
            write_image(root / f"rgb_anon/{condition}/{split}_ref/GOPR1/a_rgb_ref_anon.png")
            write_ids(root / f"gt/{stem}_gt_labelTrainIds.png", [0, 10])
            write_ids(root / f"gt/{stem}_gt_labelIds.png", [7, 23])
    return root


def cityscapes_cfg(root):
    cityscapes(root)
    return dict(type="Cityscapes19Dataset", data_root=str(root), data_prefix=CITYSCAPES_VAL,
                pipeline=LOAD, test_mode=True)  # fmt: skip


def test_cityscapes_errors(tmp_path):
    cityscapes(tmp_path, converted=False)
    with pytest.raises(FileNotFoundError) as error:
        Cityscapes19Dataset(data_root=str(tmp_path), data_prefix=CITYSCAPES_VAL)
    text = str(error.value)
    assert "3 raw label files but no *_gtFine_labelTrainIds.png" in text
    assert f"python tools/dataset_converters/cityscapes.py {tmp_path}" in text
    with pytest.raises(FileNotFoundError, match=r"no folder .*leftImg8bit/test .* holds val/"):
        Cityscapes19Dataset(
            data_root=str(tmp_path),
            data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        )


def test_bdd100k(tmp_path):
    init_default_scope("mmseg")
    dataset = DATASETS.build(bdd100k(tmp_path))
    sample = dataset[1]["data_samples"]
    assert sample.domain == "bdd100k"
    assert np.unique(sample.gt_sem_seg.data).tolist() == [0, 13, 255]
    (tmp_path / "labels/sem_seg/masks/val/b1c0.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 2 images have no label .*='skip'"):
        DATASETS.build(bdd100k_again(tmp_path))
    dataset = BDD100K19Dataset(
        data_root=str(tmp_path), missing_labels="skip", pipeline=[],
        data_prefix=dict(img_path="images/10k/val", seg_map_path="labels/sem_seg/masks/val"),
    )  # fmt: skip
    assert len(dataset) == 1


def bdd100k_again(root):
    prefix = dict(img_path="images/10k/val", seg_map_path="labels/sem_seg/masks/val")
    return dict(type="BDD100K19Dataset", data_root=str(root), data_prefix=prefix, pipeline=[])


def test_mapillary_v1_labels_become_training_ids(tmp_path):
    init_default_scope("mmseg")
    dataset = DATASETS.build(mapillary(tmp_path, list(range(66))))
    labels = dataset[0]["data_samples"].gt_sem_seg.data[0, 0, ::2].tolist()
    names = Mapillary19Dataset.raw_classes["v1"]
    got = dict(zip(names, labels, strict=True))
    expected = {
        "Road": "road", "Lane Marking - General": "road", "Lane Marking - Crosswalk": "road",
        "Sidewalk": "sidewalk", "Curb": "sidewalk", "Building": "building", "Wall": "wall",
        "Fence": "fence", "Pole": "pole", "Utility Pole": "pole", "Traffic Light": "traffic light",
        "Traffic Sign (Front)": "traffic sign", "Vegetation": "vegetation", "Terrain": "terrain",
        "Sky": "sky", "Person": "person", "Bicyclist": "rider", "Motorcyclist": "rider",
        "Car": "car", "Truck": "truck", "Bus": "bus", "On Rails": "train",
        "Motorcycle": "motorcycle", "Bicycle": "bicycle",
    }  # fmt: skip
    assert {name: CLASSES[got[name]] for name in expected} == expected
    ignored = ("Bird", "Guard Rail", "Bridge", "Tunnel", "Parking", "Rail Track", "Water",
               "Traffic Sign (Back)", "Caravan", "Trailer", "Ego Vehicle", "Unlabeled")  # fmt: skip
    assert {got[name] for name in ignored} == {255}


@pytest.mark.parametrize(("version", "count"), [("v1", 66), ("v2", 124)])
def test_every_class_occurs_in_both_versions(version, count):
    table = mapillary_ids(Mapillary19Dataset.raw_classes[version])
    assert sorted(table) == list(range(count))
    assert set(table.values()) == {*range(19), 255}


def test_mapillary_with_fewer_classes(tmp_path):
    cfg = mapillary(tmp_path, [13, 55, 27])  # road, car, sky
    cfg.update(metainfo=dict(classes=("car", "sky")), pipeline=[])
    init_default_scope("mmseg")
    dataset = DATASETS.build(cfg)
    assert dataset.metainfo["palette"] == [[0, 0, 142], [70, 130, 180]]
    label_map = dataset.get_data_info(0)["label_map"]
    assert [label_map[old] for old in (13, 55, 27)] == [255, 0, 1]
    cfg["metainfo"] = dict(classes=("car", "boat"))
    with pytest.raises(ValueError, match=r"metainfo.classes has \['boat'\], which are not among"):
        DATASETS.build(cfg)
    with pytest.raises(ValueError, match="version: got 'v3'; allowed: 'v1' or 'v2'"):
        Mapillary19Dataset(version="v3")


def test_acdc_takes_split_and_conditions(tmp_path):
    root = str(acdc(tmp_path))
    names = lambda d: [d.get_data_info(i)["img_path"][len(root) :] for i in range(len(d))]  # noqa: E731
    both = ACDC19Dataset(data_root=root, pipeline=[])
    assert [name.split("/")[2:4] for name in names(both)] == [["fog", "val"], ["night", "val"]]
    night = ACDC19Dataset(data_root=root, conditions=["night"], split="train", pipeline=[])
    assert [name.split("/")[2:4] for name in names(night)] == [["night", "train"]]
    unchecked = ACDC19Dataset(data_root=root, check_files=False, pipeline=[])
    assert names(unchecked) == names(both)
    with pytest.raises(
        ValueError, match="conditions: got .'storm'.; allowed: a list out of fog, night"
    ):
        ACDC19Dataset(data_root=root, conditions=["storm"])
    with pytest.raises(FileNotFoundError, match="none of the 4 images .* is in the part asked"):
        ACDC19Dataset(data_root=root, conditions=["snow"])


def test_four_targets_in_one_data_set_each_sample_with_its_own(tmp_path):
    init_default_scope("mmseg")
    acdc_cfg = dict(type="ACDC19Dataset", data_root=str(acdc(tmp_path / "a")), pipeline=LOAD)
    parts = [cityscapes_cfg(tmp_path / "c"), bdd100k(tmp_path / "b"),
             mapillary(tmp_path / "m", [13]), acdc_cfg]  # fmt: skip
    dataset = DATASETS.build(dict(type="ConcatDataset", datasets=parts))
    domains = [dataset[index]["data_samples"].domain for index in range(len(dataset))]
    assert domains == ["cityscapes"] * 3 + ["bdd100k"] * 2 + ["mapillary"] + ["acdc"] * 2


def test_domain_is_packed_in_nested_pipelines_and_can_be_named(tmp_path):
    init_default_scope("mmseg")
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="TestTimeAug", transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations")], [dict(type="PackSegInputs", meta_keys=("img_path",))],
        ]),
    ]  # fmt: skip
    cfg = dict(cityscapes_cfg(tmp_path), pipeline=pipeline, domain="foggy")
    samples = DATASETS.build(cfg)[0]["data_samples"]
    assert [sample.domain for sample in samples] == ["foggy", "foggy"]


def test_synthia(tmp_path):
    write_image(tmp_path / "RGB/0000000.png")
    write_ids(tmp_path / "GT/LABELS/0000000.png", [3])
    with pytest.raises(FileNotFoundError, match="1 raw label files .*converters/synthia.py"):
        SYNTHIADataset(data_root=str(tmp_path))
    write_ids(tmp_path / "GT/LABELS/0000000_labelTrainIds.png", [0])
    dataset = SYNTHIADataset(data_root=str(tmp_path), pipeline=[])
    assert dataset.get_data_info(0)["domain"] == "synthia"
    assert dataset.metainfo["classes"] == CLASSES


def test_synthia_class_lists():
    assert len(SYNTHIA_16) == 16 and len(SYNTHIA_13) == 13
    assert set(CLASSES) - set(SYNTHIA_16) == {"terrain", "truck", "train"}
    assert set(SYNTHIA_16) - set(SYNTHIA_13) == {"wall", "fence", "pole"}
