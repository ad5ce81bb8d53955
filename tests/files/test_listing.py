import os

import pytest

from mmasg.files.listing import IMAGE_SUFFIXES, list_files


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_images_of_any_case_below_a_folder(tmp_path):
    for name in ("b/2.PNG", "a.jpg", "b/c/3.tiff", "notes.txt", ".hidden.png", ".git/4.png"):
        touch(tmp_path / name)
    assert list_files(tmp_path) == ["a.jpg", "b/2.PNG", "b/c/3.tiff"]
    assert list_files(str(tmp_path), [".png"], any_case=False) == []
    assert list_files(tmp_path, ["_a.jpg", "3.tiff"]) == ["b/c/3.tiff"]
    assert list_files(tmp_path / "none") == []
    assert all(suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)


def test_linked_folders_are_followed_each_real_one_once(tmp_path):
    touch(tmp_path / "disk/val/ulm/1.png")
    touch(tmp_path / "root/train/aachen/1.png")
    root = tmp_path / "root"
    (root / "val").symlink_to(tmp_path / "disk/val")
    (root / "another").symlink_to(tmp_path / "disk/val")
    # The name without a link wins, though "a_train" comes first.
    (root / "a_train").symlink_to(root / "train", target_is_directory=True)
    assert list_files(root) == ["another/ulm/1.png", "train/aachen/1.png"]
    (tmp_path / "entry").symlink_to(root)
    assert list_files(tmp_path / "entry") == ["another/ulm/1.png", "train/aachen/1.png"]


def test_links_that_lead_back_up_add_nothing(tmp_path):
    touch(tmp_path / "data/labels/1.png")
    touch(tmp_path / "data/images/city/1.png")
    images = tmp_path / "data/images"
    (images / "city/self").symlink_to(images / "city")
    (images / "up").symlink_to(images)
    (images / "city/root").symlink_to(tmp_path / "data")
    touch(tmp_path / "disk/x/2.png")
    touch(tmp_path / "disk/y/3.png")
    (tmp_path / "disk/x/back").symlink_to(tmp_path / "disk")
    (images / "x").symlink_to(tmp_path / "disk/x")
    assert list_files(images) == ["city/1.png", "x/2.png"]


def test_linked_files_count_and_links_to_nothing_do_not(tmp_path):
    touch(tmp_path / "disk/1.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/2.png").symlink_to(tmp_path / "disk/1.png")
    (tmp_path / "root/3.png").symlink_to(tmp_path / "disk/gone.png")
    (tmp_path / "root/loop").symlink_to(tmp_path / "root/loop")
    assert list_files(tmp_path / "root") == ["2.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    touch(tmp_path / "closed/1.png")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(PermissionError, match="closed"):
            list_files(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_whoever_lists_images_follows_links(tmp_path):
    """Predicting, class folders and agreement images; converters and data sets have tests."""
    from mmasg.consistency.agreement import Agreement
    from mmasg.datasets.folder_classification import FolderClassificationDataset
    from mmasg.prediction.images import find_images

    touch(tmp_path / "disk/deep/1.JPG")
    root = tmp_path / "root"
    touch(root / "bus/2.webp")
    (root / "axe").symlink_to(tmp_path / "disk")
    (root / "bus/up").symlink_to(root)
    assert [path.name for path in map(root.joinpath, list_files(root))] == ["1.JPG", "2.webp"]
    found = find_images(str(root), tmp_path / "out")
    assert "1.JPG" in str(found) and "2.webp" in str(found) and len(found) == 2
    dataset = FolderClassificationDataset(str(root))
    labels = [dataset.get_data_info(index)["gt_label"] for index in range(len(dataset))]
    assert (dataset.classes, labels) == (["axe", "bus"], [0, 1])
    Agreement(images=str(root)).check(None)
    with pytest.raises(FileNotFoundError, match="no image in"):
        Agreement(images=str(tmp_path / "none")).check(None)
