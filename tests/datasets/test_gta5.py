import numpy as np
import pytest
from mmengine.registry import DATASETS
from scipy.io import savemat
from street_files import gta5, write_ids, write_image

from mmasg.datasets import checked_dataset
from mmasg.datasets.gta5 import GTA5Dataset


def test_lists_all_frames_with_classes_and_domain(tmp_path):
    dataset = GTA5Dataset(data_root=str(gta5(tmp_path)), pipeline=[])
    assert len(dataset) == 6
    info = dataset.get_data_info(1)
    assert info["img_path"].endswith("images/00002.png")
    assert info["seg_map_path"].endswith("labels/00002_labelTrainIds.png")
    assert info["domain"] == "gta5"
    assert len(dataset.metainfo["classes"]) == 19


def test_is_found_in_the_root_registry_and_loads_a_sample(tmp_path):
    from mmengine.registry import init_default_scope

    init_default_scope("mmseg")
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
                dict(type="PackSegInputs")]  # fmt: skip
    cfg = dict(type="GTA5Dataset", data_root=str(gta5(tmp_path)), pipeline=pipeline)
    sample = DATASETS.build(cfg)[0]["data_samples"]
    assert sample.domain == "gta5"  # although the pipeline's meta_keys do not name it
    assert sorted(np.unique(sample.gt_sem_seg.data.numpy())) == [0, 10, 13, 255]


def test_text_list_with_and_without_suffix(tmp_path):
    gta5(tmp_path)
    (tmp_path / "train.txt").write_text("# a comment\n00003\n\n00001.png\n")
    dataset = GTA5Dataset(data_root=str(tmp_path), ann_file="train.txt", pipeline=[])
    names = [dataset.get_data_info(i)["img_path"][-9:] for i in range(len(dataset))]
    assert names == ["00003.png", "00001.png"]


def write_mat(path, **changes):
    content = dict(trainIds=[[4], [1]], valIds=[[2], [3]], testIds=[[5], [6]])
    content.update(changes)
    savemat(path, {key: np.array(value, np.uint16) for key, value in content.items()})


def test_official_split_mat(tmp_path):
    gta5(tmp_path)
    write_mat(tmp_path / "split.mat")
    found = {}
    for split in ("train", "val", "test"):
        dataset = GTA5Dataset(
            data_root=str(tmp_path), ann_file="split.mat", split=split, pipeline=[]
        )
        found[split] = [dataset.get_data_info(i)["img_path"][-9:-4] for i in range(len(dataset))]
    assert found == {
        "train": ["00001", "00004"],
        "val": ["00002", "00003"],
        "test": ["00005", "00006"],
    }


def test_split_mat_needs_a_split(tmp_path):
    write_mat(gta5(tmp_path) / "split.mat")
    with pytest.raises(
        ValueError, match="split: got None; allowed: one of .'train', 'val', 'test'."
    ):
        GTA5Dataset(data_root=str(tmp_path), ann_file="split.mat")


def test_split_mat_that_is_none(tmp_path):
    (gta5(tmp_path) / "split.mat").write_bytes(b"no such thing")
    with pytest.raises(ValueError, match="not a MATLAB file"):
        GTA5Dataset(data_root=str(tmp_path), ann_file="split.mat", split="train")


def test_split_mat_without_arrays(tmp_path):
    savemat(gta5(tmp_path) / "split.mat", {"other": np.zeros(3)})
    with pytest.raises(ValueError, match="has no trainIds, valIds, testIds; found .'other'."):
        GTA5Dataset(data_root=str(tmp_path), ann_file="split.mat", split="train")


def test_missing_root_says_where_and_what(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*gta5/images .*download GTA5"):
        GTA5Dataset(data_root=str(tmp_path / "gta5"))


def test_missing_miniature_names_its_generator(tmp_path):
    with pytest.raises(FileNotFoundError, match="tools/dataset_converters/miniature.py"):
        GTA5Dataset(data_root=str(tmp_path / "miniature/gta5"))


def test_empty_image_folder(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images '\*.png' in .*images is empty"):
        GTA5Dataset(data_root=str(tmp_path))


def test_unconverted_labels_name_the_command(tmp_path):
    gta5(tmp_path, converted=False)
    with pytest.raises(FileNotFoundError) as error:
        GTA5Dataset(data_root=str(tmp_path))
    text = str(error.value)
    assert "6 raw label files but no *_labelTrainIds.png" in text
    assert f"python tools/dataset_converters/gta.py {tmp_path}" in text


def test_a_few_missing_labels_are_listed(tmp_path):
    gta5(tmp_path)
    for number in (2, 5):
        (tmp_path / f"labels/{number:05d}_labelTrainIds.png").unlink()
    with pytest.raises(
        FileNotFoundError,
        match="2 of 6 images have no label .*00002_labelTrainIds.png, 00005_labelTrainIds.png",
    ):
        GTA5Dataset(data_root=str(tmp_path))
    dataset = GTA5Dataset(data_root=str(tmp_path), missing_labels="skip", pipeline=[])
    assert len(dataset) == 4


def test_list_with_frames_that_are_not_there(tmp_path):
    gta5(tmp_path)
    (tmp_path / "train.txt").write_text("00001\n00777\n")
    with pytest.raises(FileNotFoundError, match="1 of the 2 images .* lists .*: 00777.png"):
        GTA5Dataset(data_root=str(tmp_path), ann_file="train.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("00001\n00001\n", "line 2 names '00001', as line 1 does"),
    ],
)
def test_bad_lists(tmp_path, content, message):
    gta5(tmp_path)
    (tmp_path / "train.txt").write_text(content)
    with pytest.raises(ValueError, match=message):
        GTA5Dataset(data_root=str(tmp_path), ann_file="train.txt")


def test_missing_list_names_command(tmp_path):
    gta5(tmp_path)
    with pytest.raises(FileNotFoundError, match="no split file .*train.txt .*converters/gta.py"):
        GTA5Dataset(data_root=str(tmp_path), ann_file="train.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(missing_labels="drop"), "missing_labels: got 'drop'; allowed: 'error' or 'skip'"),
        (dict(domain=3), "domain: got 3; allowed: a name"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        GTA5Dataset(data_root=str(gta5(tmp_path)), **arguments)


def test_without_labels_only_for_testing(tmp_path):
    write_image(tmp_path / "images/00001.png")
    prefix = dict(img_path="images")
    with pytest.raises(ValueError, match="has no 'seg_map_path', which only test_mode=True"):
        GTA5Dataset(data_root=str(tmp_path), data_prefix=prefix)
    dataset = GTA5Dataset(data_root=str(tmp_path), data_prefix=prefix, test_mode=True)
    assert "seg_map_path" not in dataset.get_data_info(0)


def test_unchecked_lists_without_looking(tmp_path):
    gta5(tmp_path, converted=False)
    dataset = GTA5Dataset(data_root=str(tmp_path), check_files=False, pipeline=[])
    assert len(dataset) == 6
    assert dataset.get_data_info(0)["domain"] == "gta5"


def test_lists_in_a_folder_with_the_official_split_point_to_the_converter(tmp_path):
    gta5(tmp_path)
    with pytest.raises(FileNotFoundError, match="put the official split.mat .* ann_file=''"):
        GTA5Dataset(data_root=str(tmp_path), ann_file="train.txt")
    write_mat(tmp_path / "split.mat")
    with pytest.raises(FileNotFoundError, match=f"Remedy: python tools/.*gta.py {tmp_path}$"):
        GTA5Dataset(data_root=str(tmp_path), ann_file="train.txt")


@pytest.mark.parametrize("suffix", [".jpg", ".PNG"])
def test_images_of_another_ending_point_to_img_suffix(tmp_path, suffix):
    for number in (1, 2):
        write_image(tmp_path / f"images/{number:05d}{suffix}")
        write_ids(tmp_path / f"labels/{number:05d}_labelTrainIds.png", [0])
    remedy = f"2 images of other endings, such as 00001{suffix}.* set img_suffix='{suffix}'$"
    with pytest.raises(FileNotFoundError, match=remedy):
        GTA5Dataset(data_root=str(tmp_path))
    assert len(GTA5Dataset(data_root=str(tmp_path), img_suffix=suffix, pipeline=[])) == 2


def test_some_images_in_capitals_are_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(checked_dataset, "print_log", lambda text, **_: said.append(text))
    write_image(gta5(tmp_path) / "images/00007.PNG")
    assert len(GTA5Dataset(data_root=str(tmp_path), pipeline=[])) == 6
    (text,) = said
    assert "1 images do not end in '.png' (img_suffix): 00007.PNG; left out" in text


def test_ids_that_are_mapped_by_name_are_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(checked_dataset, "print_log", lambda text, **_: said.append(text))
    part = dict(classes=["building", "car"])
    GTA5Dataset(data_root=str(gta5(tmp_path)), pipeline=[], metainfo=part)
    assert "mapped by name: 0 (road) becomes 255, 1 (sidewalk) becomes 255, 2 (buil" in said[0]
    GTA5Dataset(data_root=str(tmp_path), pipeline=[])
    assert len(said) == 1


def test_linked_folders_and_names_behind_a_second_link(tmp_path):
    gta5(tmp_path / "disk")
    for part in ("images", "labels"):
        (tmp_path / "root" / part).mkdir(parents=True)
        for name in ("day", "night"):
            (tmp_path / "root" / part / name).symlink_to(tmp_path / "disk" / part)
    (tmp_path / "disk/images/up").symlink_to(tmp_path / "root")
    root = str(tmp_path / "root")
    (tmp_path / "root/list.txt").write_text("day/00001\nnight/00001\n")
    assert len(GTA5Dataset(data_root=root, pipeline=[])) == 6  # each real folder once
    assert len(GTA5Dataset(data_root=root, ann_file="list.txt", pipeline=[])) == 2


def test_half_written_files_are_not_frames(tmp_path):
    gta5(tmp_path)
    write_image(tmp_path / "images/.00007.part.png")
    write_ids(tmp_path / "labels/.00007_labelTrainIds.part.png", [0])
    assert len(GTA5Dataset(data_root=str(tmp_path), pipeline=[])) == 6
