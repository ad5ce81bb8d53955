import shutil
from pathlib import Path

import pytest
from street_files import write_ids, write_image

from mmasg.datasets import CamVidDataset, CarlaDataset, TaxonomyDataset
from mmasg.datasets.conversion.record import Record
from mmasg.datasets.conversion_record import ConversionRecord
from mmasg.datasets.taxonomy import load_taxonomy

TEXT = "classes:\n  wall: {sim: [6, 7]}\n  road: {sim: [3]}\n  moat: {sim: [4]}\n"


@pytest.fixture
def taxonomy(tmp_path):
    path = tmp_path / "taxonomy.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def root(tmp_path, taxonomy):
    root = tmp_path / "data"
    for name in ("a", "b"):
        write_image(root / f"images/{name}.png")
        write_ids(root / f"labels/{name}_labelTrainIds.png", [0, 1, 2, 255])
    record = ConversionRecord.of(load_taxonomy(taxonomy), "sim", img_suffix=".png")
    Record(root / "labels", "_labelTrainIds.png", record.parameters()).agree(
        list(root.glob("labels/*.png"))
    )
    (root / "train.txt").write_text("b\n")
    return root


@pytest.mark.parametrize("kind", [TaxonomyDataset, CarlaDataset, CamVidDataset])
def test_classes_come_from_the_record_and_ids_stay_as_they_are(kind, root, taxonomy):
    pipeline = [dict(type="mmseg.LoadImageFromFile"), dict(type="mmseg.LoadAnnotations")]
    data = kind(data_root=str(root), taxonomy=taxonomy, ann_file="train.txt", pipeline=pipeline)
    assert [Path(data.get_data_info(0)["img_path"]).name, len(data)] == ["b.png", 1]
    assert data.metainfo["classes"] == ("wall", "road", "moat")
    # Cityscapes has a road (id 0) and a wall (id 3): the file's own numbering must survive.
    assert data.metainfo["label_map"] is None
    assert sorted(set(data[0]["gt_seg_map"].ravel().tolist())) == [0, 1, 2, 255]
    assert data.metainfo["palette"][1] == [128, 64, 128]
    assert kind(data_root=str(root)).metainfo["classes"] == ("wall", "road", "moat")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("[3]", "[5]"), "other ids became road"),
        (
            lambda text: text.replace("moat", "sky"),
            r"they have the classes \['wall', 'road', 'moat'",
        ),
        (lambda text: text.replace("sim", "other"), "they are of sim, which the taxonomy lacks"),
    ],
)
def test_a_taxonomy_that_changed_since_is_noticed(root, taxonomy, change, message):
    taxonomy.write_text(change(TEXT))
    with pytest.raises(ValueError, match=rf"TaxonomyDataset.taxonomy.*{message}.*--overwrite"):
        TaxonomyDataset(data_root=str(root), taxonomy=taxonomy)


def test_labels_without_a_record_were_not_converted(root, taxonomy):
    (root / "labels/conversion_labelTrainIds.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"carla.py IN .*data"):
        CarlaDataset(data_root=str(root), taxonomy=taxonomy)
    # The doctor's second look, which leaves such checks out, takes the taxonomy's word.
    data = CarlaDataset(data_root=str(root), taxonomy=taxonomy, check_files=False)
    assert data.metainfo["classes"] == ("wall", "road", "moat")
    shutil.rmtree(root)
    with pytest.raises(FileNotFoundError, match="camvid.py IN .*data"):
        CamVidDataset(data_root=str(root))


def test_a_record_above_the_label_folder_counts(root, taxonomy):
    shutil.move(str(root / "labels"), str(root / "deep"))
    (root / "labels").mkdir()
    shutil.move(str(root / "deep"), str(root / "labels/deep"))
    shutil.move(str(root / "labels/deep/conversion_labelTrainIds.json"), str(root / "labels"))
    prefix = dict(img_path="images", seg_map_path="labels/deep")
    assert len(TaxonomyDataset(data_root=str(root), taxonomy=taxonomy, data_prefix=prefix)) == 2


def test_metainfo_is_refused(root):
    with pytest.raises(ValueError, match="metainfo cannot be given"):
        TaxonomyDataset(data_root=str(root), metainfo=dict(classes=("wall",)))


def test_a_broken_record_is_named(root):
    for text in ("labels: sim\n", '{"ids": {"7": 0}}', "[]", "3"):
        (root / "labels/conversion_labelTrainIds.json").write_text(text)
        with pytest.raises(ValueError, match="not say by which taxonomy .*custom.py --taxonomy"):
            TaxonomyDataset(data_root=str(root))


def test_frames_alone_have_the_classes_of_the_taxonomy(root, taxonomy):
    shutil.rmtree(root / "labels")
    options = dict(data_root=str(root), data_prefix=dict(img_path="images"), test_mode=True)
    data = CamVidDataset(taxonomy=taxonomy, **options)
    assert len(data) == 2 and data.metainfo["classes"] == ("wall", "road", "moat")
    with pytest.raises(FileNotFoundError, match="so they were not converted"):
        CamVidDataset(**options)


def test_pseudo_labels_say_their_classes_themselves(root, taxonomy, tmp_path):
    labels = tmp_path / "round"
    write_ids(labels / "b_labelTrainIds.png", [2, 255])
    account = '{"classes": ["wall", "road", "%s"], "img_suffix": ".png"}'
    (labels / "pseudo_labels.json").write_text(account % "moat")
    prefix = dict(img_path="images", seg_map_path=str(labels))
    options = dict(data_root=str(root), data_prefix=prefix, ann_file="train.txt")
    data = CamVidDataset(taxonomy=taxonomy, **options)
    assert data.get_data_info(0)["seg_map_path"] == str(labels / "b_labelTrainIds.png")
    assert CamVidDataset(**options).metainfo["classes"] == ("wall", "road", "moat")
    (labels / "pseudo_labels.json").write_text(account % "sky")
    with pytest.raises(ValueError, match=r"pseudo labels in .* are of other classes \(wall, road"):
        CamVidDataset(taxonomy=taxonomy, **options)
