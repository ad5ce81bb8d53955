import json
import shutil

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from PIL import Image
from street_files import CITYSCAPES_VAL, cityscapes, gta5, write_ids, write_image

import mmasg.datasets.targets  # noqa: F401
from mmasg.datasets import gta5 as _gta5  # noqa: F401
from mmasg.datasets.doctor.files import Sample, check_sample
from mmasg.datasets.doctor.inspection import check_config
from mmasg.datasets.doctor.report import as_text, save


def config(train, val=None, **more):
    loaders = dict(train_dataloader=dict(batch_size=2, dataset=train))
    if val is not None:
        loaders.update(val_dataloader=dict(dataset=val), test_dataloader=dict(dataset=val))
    return Config(dict(default_scope="mmseg", **loaders, **more))


def source(root, **more):
    return dict(type="GTA5Dataset", data_root=str(root), pipeline=[dict(type="NoSuch")], **more)


def target(root, **more):
    prefix = dict(data_prefix=CITYSCAPES_VAL, pipeline=[])
    return dict(type="Cityscapes19Dataset", data_root=str(root), **prefix, **more)


def plain(root, **more):
    """The same files through MMSegmentation's own class, which checks nothing."""
    return dict(
        type="mmseg.CityscapesDataset", data_root=str(root), img_suffix=".png",
        data_prefix=dict(img_path="images", seg_map_path="labels"), **more,
    )  # fmt: skip


def test_healthy_pair(tmp_path):
    cfg = config(source(gta5(tmp_path / "gta5")), target(cityscapes(tmp_path / "cs")))
    reports = check_config(cfg, samples=None, workers=1)
    assert [(r.name, r.listed, r.opened) for r in reports] == [("train", 6, 6), ("val", 3, 3)]
    assert not any(report.errors for report in reports)
    train = reports[0]
    # six frames of 24 x 16 pixels in four stripes: road, car, sky, ignored
    assert train.counts[[0, 13, 10]].tolist() == [576, 576, 576]
    assert train.counts.sum() == 3 * 576 and train.ignored == 576
    assert train.images[0] == 6
    assert any("16 classes do not occur" in text for text in train.warnings)
    text = as_text(reports)
    assert "RESULT: no errors" in text
    assert any(line.startswith("road") and "33.3333" in line for line in text.splitlines())


def test_samples_are_drawn_and_said(tmp_path):
    (report,) = check_config(config(source(gta5(tmp_path))), samples=2, workers=1)
    assert (report.listed, report.opened) == (6, 2)
    assert "only 2 of 6 samples were opened (--all opens every one)" in report.warnings
    with pytest.raises(ValueError, match="--samples: got 0; allowed: 1 or more"):
        check_config(config(source(tmp_path)), samples=0)


def test_unconverted_labels(tmp_path):
    (report,) = check_config(config(source(gta5(tmp_path, converted=False))), workers=1)
    assert "6 raw label files but no *_labelTrainIds.png" in report.errors[0]
    assert "6 of 6 labels are missing" in report.errors[1]


@pytest.mark.parametrize("suffix", [".png", "_gtFine_labelIds.png"])
def test_raw_ids_where_train_ids_are_due(tmp_path, suffix):
    if suffix == ".png":
        cfg = config(plain(gta5(tmp_path), seg_map_suffix=suffix))
        tool, name = "gta.py", "_labelTrainIds.png"
    else:
        prefix = dict(data_prefix=CITYSCAPES_VAL, seg_map_suffix=suffix)
        data = dict(type="mmseg.CityscapesDataset", data_root=str(cityscapes(tmp_path)), **prefix)
        cfg, tool, name = config(data), "cityscapes.py", "_gtFine_labelTrainIds.png"
    (report,) = check_config(cfg, workers=1)
    (error,) = report.errors
    assert "ids outside 0 to 18" in error
    assert "raw Cityscapes label ids (0 to 33) where training ids (0 to 18, 255)" in error
    assert f"python tools/dataset_converters/{tool} {tmp_path} and set" in error
    assert f"seg_map_suffix='{name}'" in error


def test_raw_ids_without_any_above_18(tmp_path):
    cityscapes(tmp_path, frames=2)
    for path in tmp_path.rglob("*_labelIds.png"):
        write_ids(path, [7, 8, 11])
    data = target(tmp_path, seg_map_suffix="_gtFine_labelIds.png")
    (report,) = check_config(config(data), workers=1)
    assert "2 labels are named *_labelIds.png, which hold raw" in report.errors[0]


def test_other_ids_outside(tmp_path):
    gta5(tmp_path)
    write_ids(tmp_path / "labels/00004_labelTrainIds.png", [0, 77])
    (report,) = check_config(config(source(tmp_path)), samples=None, workers=1)
    (error,) = report.errors
    assert "1 labels have ids outside 0 to 18: [77] (192 pixels)" in error
    assert "00004_labelTrainIds.png" in error
    assert "raw Cityscapes" not in error


def test_missing_pairs_with_a_data_set_that_does_not_look(tmp_path):
    gta5(tmp_path)
    (tmp_path / "labels/00002_labelTrainIds.png").unlink()
    data = plain(tmp_path, seg_map_suffix="_labelTrainIds.png")
    (report,) = check_config(config(data), samples=None, workers=1)
    assert "1 of 6 labels are missing" in report.errors[0]
    assert "00002_labelTrainIds.png" in report.errors[0]
    assert report.opened == 5


def test_broken_files(tmp_path):
    gta5(tmp_path)
    image = tmp_path / "images/00001.png"
    image.write_bytes(image.read_bytes()[:-300])
    (tmp_path / "labels/00002_labelTrainIds.png").write_bytes(b"")
    write_ids(tmp_path / "labels/00003_labelTrainIds.png", [0], size=(20, 16))
    write_image(tmp_path / "labels/00004_labelTrainIds.png")
    wide = np.full((16, 24), 300, np.uint16)
    Image.fromarray(wide).save(tmp_path / "labels/00005_labelTrainIds.png")
    write_ids(tmp_path / "labels/00006_labelTrainIds.png", [255])
    (report,) = check_config(config(source(tmp_path)), samples=None, workers=2)
    text = "\n".join(report.errors)
    assert "2 files are unreadable or cut off" in text
    assert "images/00001.png" in text and "labels/00002_labelTrainIds.png: not a picture" in text
    assert "1 labels differ in size" in text
    assert "00003_labelTrainIds.png is 20x16, its image 24x16" in text
    assert "1 labels are pictures of colours" in text and "--id-map" in text
    assert "1 labels hold values that 8 bits do not" in text and "values 300 to 300" in text
    assert "1 labels have no labelled pixel" in "\n".join(report.warnings)


def test_truncated_jpeg_is_noticed(tmp_path):
    path = write_image(tmp_path / "a.jpg", size=(200, 100))
    path.write_bytes(path.read_bytes()[:3000])
    finding = check_sample(Sample(str(path), None, 19))
    assert "truncated" in finding.faults[0].text


def test_turned_images_have_the_size_that_opencv_sees(tmp_path):
    path = write_image(tmp_path / "a.jpg", size=(24, 16))
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(path) as picture:
        picture.load()
        picture.save(path, exif=exif)
    label = write_ids(tmp_path / "l.png", [0], size=(16, 24))
    assert check_sample(Sample(str(path), str(label), 19)).faults == []


@pytest.mark.parametrize("reduce_zero", [False, True])
@pytest.mark.parametrize("label_map", [None, {0: 1, 1: 0, 9: 255}])
def test_ids_are_read_as_mmsegmentation_reads_them(tmp_path, reduce_zero, label_map):
    from mmseg.datasets.transforms import LoadAnnotations

    label = write_ids(tmp_path / "l.png", [0, 1, 2, 9, 10, 255], size=(60, 10))
    image = write_image(tmp_path / "i.png", size=(60, 10))
    loaded = LoadAnnotations().transform(
        dict(seg_map_path=str(label), label_map=label_map, reduce_zero_label=reduce_zero,
             seg_fields=[])
    )["gt_seg_map"]  # fmt: skip
    finding = check_sample(
        Sample(str(image), str(label), 9, label_map=label_map, reduce_zero_label=reduce_zero)
    )
    assert finding.counts.tolist() == [int((loaded == c).sum()) for c in range(9)]
    assert finding.others.get(255, 0) == (loaded == 255).sum()
    assert sum(finding.others.values()) == (loaded > 8).sum()


def test_wrappers_are_seen_through(tmp_path):
    one, two = gta5(tmp_path / "one"), gta5(tmp_path / "two", frames=2)
    data = dict(
        type="RepeatDataset", times=10,
        dataset=dict(type="ConcatDataset", datasets=[source(one), source(two)]),
    )  # fmt: skip
    (report,) = check_config(config(data), samples=None, workers=1)
    assert (report.listed, report.errors) == (8, [])


def test_each_part_of_a_concatenation_is_reported(tmp_path):
    parts = [source(tmp_path / "none"), source(gta5(tmp_path / "two", frames=2)),
             source(gta5(tmp_path / "three", converted=False))]  # fmt: skip
    data = dict(type="ConcatDataset", datasets=parts)
    (report,) = check_config(config(data), samples=None, workers=1)
    text = "\n".join(report.errors)
    assert "no folder" in text and "none/images" in text
    assert "6 raw label files but no" in text
    assert (report.listed, report.opened) == (8, 2)


class Keeper:
    """A wrapper that is only seen to be one once it is built."""

    def __init__(self, inner):
        self.dataset = DATASETS.build(inner)


def test_wrappers_with_other_arguments(tmp_path):
    DATASETS.register_module(name="KeeperForDoctor", module=Keeper, force=True)
    data = dict(type="KeeperForDoctor", inner=source(gta5(tmp_path)))
    (report,) = check_config(config(data), samples=None, workers=1)
    assert (report.listed, report.errors) == (6, [])


def test_images_in_training_and_test(tmp_path):
    root = gta5(tmp_path)
    (root / "train.txt").write_text("00001\n00002\n00003\n")
    (root / "val.txt").write_text("00003\n00004\n")
    cfg = config(source(root, ann_file="train.txt"), source(root, ann_file="val.txt"))
    _, val = check_config(cfg, samples=None, workers=1)
    assert any("1 images are trained on as well" in text for text in val.warnings)


def test_heads_of_another_size(tmp_path):
    head = dict(type="FCNHead")
    model = dict(decode_head=dict(head, num_classes=16), auxiliary_head=[dict(head, num_classes=9)])
    (report,) = check_config(config(source(gta5(tmp_path)), model=model), workers=1)
    assert report.errors == [
        "model.decode_head.num_classes=16, but the training data has 19 classes",
        "model.auxiliary_head[0].num_classes=9, but the training data has 19 classes",
    ]


def test_images_behind_links_and_copies_in_training_and_test(tmp_path):
    root = gta5(tmp_path / "train", frames=3)
    other = gta5(tmp_path / "val", frames=1)
    shutil.copy(root / "images/00002.png", other / "images/00001.png")
    (other / "images/00002.png").symlink_to(root / "images/00003.png")
    (other / "images/00003.png").symlink_to(other / "images/00001.png")
    write_image(other / "images/00004.png", seed=99)
    for number in (2, 3, 4):
        write_ids(other / f"labels/{number:05d}_labelTrainIds.png", [0])
    _, val = check_config(config(source(root), source(other)), samples=None, workers=1)
    (text,) = [text for text in val.warnings if "trained on as well" in text]
    assert text.startswith("3 images are trained on as well")
    assert "00004.png" not in text
    assert any("1 images are listed again by a link" in text for text in val.warnings)


def test_lossy_turned_and_one_bit_files(tmp_path):
    gta5(tmp_path, frames=4)
    labels = tmp_path / "labels"
    for number, options in ((1, dict(format="JPEG")), (2, dict(format="TIFF", compression="jpeg"))):
        path = labels / f"{number:05d}_labelTrainIds.png"
        with Image.open(path) as picture:
            picture.save(path, **options)
    bits = np.arange(16 * 24).reshape(16, 24) % 3 == 0
    Image.fromarray(bits).save(labels / "00003_labelTrainIds.png")
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(tmp_path / "images/00004.png") as picture:
        picture.save(tmp_path / "images/00004.png", format="JPEG", exif=exif)
    (report,) = check_config(config(source(tmp_path)), samples=None, workers=1)
    lossy, turned = sorted(report.errors)[::-1] if "lossy" in report.errors[1] else report.errors
    assert "2 labels are stored in a lossy format" in lossy
    assert "stored as JPEG," in lossy and "stored as TIFF with jpeg" in lossy
    assert "1 files have an orientation tag" in turned and "00004.png (orientation 6)" in turned
    assert report.counts[:2].tolist() == [256 + 96, 128]  # one bit, and 00004's road
    pipeline = [dict(type="LoadImageFromFile", color_type="color_ignore_orientation")]
    data = dict(source(tmp_path), pipeline=pipeline)
    (report,) = check_config(config(data), samples=None, workers=1)
    assert not any("orientation" in text for text in report.errors)


@pytest.mark.parametrize("value", [254, 255])
def test_what_is_left_out_by_data_set_and_head(tmp_path, value):
    gta5(tmp_path, frames=2)
    for path in (tmp_path / "labels").glob("*_labelTrainIds.png"):
        write_ids(path, [0, 13, 254])
    head = dict(type="FCNHead", num_classes=19, ignore_index=value)
    data = source(tmp_path, ignore_index=254)
    cfg = config(data, dict(data, test_mode=True), model=dict(decode_head=head))
    cfg.val_evaluator = dict(type="IoUMetric")
    train, val = check_config(cfg, samples=None, workers=1)
    assert val.errors == [] and val.ignored == 256
    assert any("val_evaluator.ignore_index=255, but the labels have 256" in t for t in val.warnings)
    if value == 254:
        assert train.errors == [] and train.ignored == 256
    else:
        (error,) = train.errors
        assert "2 labels have ids outside 0 to 18: [254] (256 pixels)" in error
        values = "the data set's ignore_index=254, model.decode_head.ignore_index=255"
        assert f"Left out are: {values}" in error


def test_ids_that_are_mapped_by_the_names_of_a_part_of_the_classes(tmp_path):
    gta5(tmp_path / "a", frames=2)
    for path in (tmp_path / "a/labels").glob("*_labelTrainIds.png"):
        write_ids(path, [0, 1, 2])  # numbered in the order of the three names
    part = dict(metainfo=dict(classes=["building", "car", "sky"]))
    (report,) = check_config(config(source(tmp_path / "a", **part)), samples=None, workers=1)
    assert report.by_class() == dict(building=256, car=0, sky=0)  # what the model would learn
    (text,) = [text for text in report.warnings if "mapped by name" in text]
    assert "0 (road) becomes 255, 1 (sidewalk) becomes 255, 2 (building) becomes 0" in text
    assert "No id in the files is above 2: they look numbered" in text
    gta5(tmp_path / "b")  # ids of all 19, as they should be
    (report,) = check_config(config(source(tmp_path / "b", **part)), samples=None, workers=1)
    (text,) = [text for text in report.warnings if "mapped by name" in text]
    assert "No id in the files" not in text
    assert report.by_class() == dict(building=0, car=576, sky=576)


def test_source_beside_target(tmp_path):
    cfg = config(source(gta5(tmp_path / "gta5")), target(cityscapes(tmp_path / "cs")))
    reports = check_config(cfg, samples=None, workers=1)
    warnings = reports[1].warnings
    assert "2 classes do not occur in train, but here: vegetation, person" in warnings
    assert "2 classes occur in train, but not here: sky, car" in warnings
    table = [line.split() for line in as_text(reports).splitlines()]
    assert ["car", "|", "33.3333", "6", "|", "0.0000", "0"] in table


@DATASETS.register_module()
class ToyClassification(BaseDataset):
    METAINFO = dict(classes=("cat", "dog", "eel"))


def classification(tmp_path, labels):
    entries = []
    for index, label in enumerate(labels):
        write_image(tmp_path / f"{index}.jpg", seed=index)
        entries.append(dict(img_path=f"{index}.jpg", gt_label=label))
    (tmp_path / "list.json").write_text(json.dumps(dict(metainfo={}, data_list=entries)))
    return dict(type="ToyClassification", ann_file=str(tmp_path / "list.json"),
                data_prefix=dict(img_path=str(tmp_path)))  # fmt: skip


def test_classification(tmp_path):
    (report,) = check_config(config(classification(tmp_path, [0, 1, 1])), workers=1)
    assert report.errors == []
    assert (report.unit, report.counts.tolist()) == ("images", [1, 2, 0])
    assert "1 classes do not occur: eel" in report.warnings


def test_classification_with_wrong_class(tmp_path):
    (report,) = check_config(config(classification(tmp_path, [0, 3])), workers=1)
    assert "1 images have class ids outside 0 to 2: [3]" in report.errors[0]


class NoList:
    def __len__(self):
        return 3


def test_data_sets_that_cannot_be_listed(tmp_path):
    DATASETS.register_module(name="NoListForDoctor", module=NoList, force=True)
    (report,) = check_config(config(dict(type="NoListForDoctor")), workers=1)
    assert "NoList has no get_data_info()" in report.warnings[0]
    (report,) = check_config(config(dict(type="NoSuchDataset")), workers=1)
    assert "cannot be built" in report.errors[0] and "NoSuchDataset" in report.errors[0]


def test_empty_data_set_of_mmsegmentation(tmp_path):
    (tmp_path / "images").mkdir()
    (report,) = check_config(config(plain(tmp_path)), workers=1)
    assert "the data set is empty: no image was found (data_root" in report.errors[0]


def test_config_without_data():
    with pytest.raises(ValueError, match="the config has no data: none of train_dataloader"):
        check_config(Config(dict(model=dict())))


def test_files_written(tmp_path):
    reports = check_config(config(source(gta5(tmp_path / "g"))), workers=1)
    written = save(reports, tmp_path / "deep/out")
    assert [path.name for path in written] == ["check_data.json", "class_histogram.png"]
    content = json.loads(written[0].read_text())
    assert content["train"]["classes"]["road"] == {"count": 576, "samples": 6}
    with Image.open(written[1]) as picture:
        assert picture.size[0] > 600


def test_missing_images_of_a_classification_list(tmp_path):
    from mmasg.datasets import visda  # noqa: F401

    for name in ("car/a.jpg", "bus/b.jpg"):
        write_image(tmp_path / name)
    (tmp_path / "image_list.txt").write_text("car/a.jpg 3\nbus/b.jpg 2\ncar/gone.jpg 3\n")
    data = dict(type="VisDADataset", data_root=str(tmp_path))
    (report,) = check_config(config(data), samples=None, workers=1)
    text = "\n".join(report.errors)
    assert "gone.jpg" in text and "1 of 3 images are missing" in text
    assert report.counts[[2, 3]].tolist() == [1, 1]
