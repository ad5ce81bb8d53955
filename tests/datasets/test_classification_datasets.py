"""VisDA's lists and class folders: what is read, and how errors read."""

import logging

import numpy as np
import pytest
from mmengine.registry import DATASETS
from PIL import Image

from mmasg.datasets.folder_classification import FolderClassificationDataset
from mmasg.datasets.visda import VISDA_CLASSES, VisDADataset


def write_image(path, color=(10, 20, 30), size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


@pytest.fixture
def visda(tmp_path):
    """A domain with one image of every class and a second one of the first class."""
    root = tmp_path / "train"
    lines = []
    for label, name in enumerate(VISDA_CLASSES):
        write_image(root / name / "a b.png")
        lines.append(f"{name}/a b.png {label}")
    write_image(root / "aeroplane" / "2.jpg")
    lines.append("aeroplane/2.jpg 0")
    (root / "image_list.txt").write_text("\n".join(lines) + "\n\n")
    return root


@pytest.fixture
def folders(tmp_path):
    for domain, extra in (("syn", ()), ("real", ("deep/3.JPG",))):
        for name in ("axe", "bus"):
            for image in ("1.png", "2.png", *extra):
                write_image(tmp_path / domain / name / image)
        (tmp_path / domain / "axe" / ".hidden.png").write_bytes(b"")
        (tmp_path / domain / "axe" / "notes.txt").write_text("no image")
    return tmp_path


def test_visda_reads_the_list(visda):
    dataset = DATASETS.build(dict(type="VisDADataset", data_root=str(visda)))
    assert len(dataset) == 13
    assert dataset.metainfo["classes"] == VISDA_CLASSES
    info = dataset.get_data_info(11)
    assert info == dict(img_path=str(visda / "truck/a b.png"), gt_label=11, sample_idx=11)
    assert dataset.get_cat_ids(12) == [0]


def test_class_counts_are_logged(visda, caplog):
    with caplog.at_level(logging.INFO):
        # mmengine's "current" logger falls back to the console; take its words from there
        from mmengine.logging import MMLogger

        logger = MMLogger.get_instance("counts")
        logger.addHandler(caplog.handler)
        VisDADataset(str(visda))
    assert "13 images of 12 classes" in caplog.text
    assert "aeroplane 2, bicycle 1" in caplog.text


def test_bad_lines_are_named_all_at_once(visda):
    with open(visda / "image_list.txt", "a") as file:
        file.write("bus/x.png\n")  # line 15; 14 is empty
        file.write("bus/x.png two\n")
        file.write("bus/a b.png 12\n")
        file.write("bus/a b.png 3\n")
        file.write("bus/gone.png 2\n")
    with pytest.raises(ValueError, match="5 of 18 lines cannot be used") as error:
        VisDADataset(str(visda))
    text = str(error.value)
    assert "line 15: expected 'relative/path.jpg class_index', got 'bus/x.png'" in text
    assert "line 16: expected" in text
    assert "line 17: class index 12 is not in 0..11" in text
    assert "line 18: bus/a b.png has label 3 (car), but bus is class 2" in text
    assert "line 19: no image bus/gone.png" in text


def test_the_list_of_a_windows_machine(visda):
    text = (visda / "image_list.txt").read_text().replace("/", "\\").replace("\n", "\r\n")
    (visda / "image_list.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(VisDADataset(str(visda))) == 13


def test_an_image_listed_twice_and_labels_beyond_counting(visda):
    with open(visda / "image_list.txt", "a") as file:
        file.write(f"bus/a b.png 2\nbus/a b.png {'9' * 5000}")
    with pytest.raises(ValueError, match="line 16 has 5012 characters; it names no file"):
        VisDADataset(str(visda))
    text = (visda / "image_list.txt").read_text().splitlines()
    (visda / "image_list.txt").write_text("\n".join([*text[:-1], "bus/a b.png 99999999999"]))
    with pytest.raises(ValueError, match="line 15 names bus/a b.png, as line 3 does.*line 16: exp"):
        VisDADataset(str(visda))


def test_missing_images_by_line_and_counted(visda):
    with open(visda / "image_list.txt", "a") as file:
        file.writelines(f"bus/{i}.png 2\n" for i in range(12))
    with pytest.raises(FileNotFoundError, match="line 15: no image bus/0.png") as error:
        VisDADataset(str(visda))
    assert "... (2 more)" in str(error.value)
    assert len(VisDADataset(str(visda), check_images=False)) == 25


def test_missing_list_and_root_name_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image list .*image_list.txt; download"):
        VisDADataset(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere; download and unpack"):
        VisDADataset(str(tmp_path / "nowhere"))


def test_empty_list(tmp_path):
    (tmp_path / "image_list.txt").write_text("\n")
    with pytest.raises(ValueError, match="lists no images"):
        VisDADataset(str(tmp_path))


def test_class_folders(folders):
    dataset = FolderClassificationDataset(str(folders / "real"))
    assert dataset.metainfo["classes"] == ("axe", "bus")
    assert [dataset.get_data_info(i)["gt_label"] for i in range(len(dataset))] == [0, 0, 0, 1, 1, 1]
    assert dataset.get_data_info(2)["img_path"] == str(folders / "real/axe/deep/3.JPG")


def test_split_folder_below_the_domain(folders):
    dataset = FolderClassificationDataset(str(folders), data_prefix=dict(img_path="syn"))
    assert len(dataset) == 4


def test_domains_must_agree(folders):
    (folders / "real/bus").rename(folders / "real/Bus")
    classes = FolderClassificationDataset(str(folders / "syn")).metainfo["classes"]
    with pytest.raises(ValueError, match=r"\(missing: bus; unexpected: Bus\)"):
        FolderClassificationDataset(str(folders / "real"), metainfo=dict(classes=classes))


def test_empty_class_and_empty_root(folders, tmp_path):
    (folders / "syn/cup").mkdir()
    with pytest.raises(ValueError, match="no images .*syn/cup"):
        FolderClassificationDataset(str(folders / "syn"))
    (tmp_path / "void").mkdir()
    with pytest.raises(ValueError, match="no class folders in .*void"):
        FolderClassificationDataset(str(tmp_path / "void"))


def test_list_without_class_names_takes_them_from_its_folders(folders):
    (folders / "list.txt").write_text("real/bus/1.png 0\nreal/axe/1.png 1\nreal/bus/2.png 0\n")
    dataset = FolderClassificationDataset(str(folders), ann_file="list.txt")
    assert dataset.metainfo["classes"] == ("bus", "axe")
    (folders / "list.txt").write_text("real/bus/1.png 0\nreal/axe/1.png 0\n")
    with pytest.raises(ValueError, match="label 0 lie in the folders 'bus' and 'axe'"):
        FolderClassificationDataset(str(folders), ann_file="list.txt")
    (folders / "list.txt").write_text("real/bus/1.png 1\n")
    with pytest.raises(ValueError, match="labels without an image up to 1: 0; folders: bus"):
        FolderClassificationDataset(str(folders), ann_file="list.txt")


def test_pipeline_gives_the_models_inputs(visda):
    pipeline = [
        dict(type="LoadImageFromFile", imdecode_backend="pillow"),
        dict(type="ResizeShorterSide", size=12),
        dict(type="CenterCrop", crop_size=12),
        dict(type="PackClassification"),
    ]
    item = VisDADataset(str(visda), pipeline=pipeline)[1]
    assert item["inputs"].shape == (3, 12, 12)
    assert np.unique(item["inputs"][0]).tolist() == [30]  # BGR until the preprocessor
    assert item["data_samples"].gt_label.tolist() == [1]
    assert item["data_samples"].metainfo["ori_shape"] == (6, 8)
