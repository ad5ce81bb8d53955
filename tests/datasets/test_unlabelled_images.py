import pytest
import street_files

from mmasg.datasets import UnlabelledImages


@pytest.fixture
def root(tmp_path):
    for name in ("cat/a b.png", "cat/c.png", "dog/d.png"):
        street_files.write_image(tmp_path / name, (8, 8), 1)
    return tmp_path


def names(dataset, root):
    dataset.full_init()
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert all("gt_label" not in info for info in found)
    return [info["img_path"].removeprefix(f"{root}/") for info in found]


def test_every_image_whatever_its_folder(root):
    dataset = UnlabelledImages(str(root), metainfo=dict(classes=["x", "y"]), pipeline=[])
    assert names(dataset, root) == ["cat/a b.png", "cat/c.png", "dog/d.png"]
    assert dataset.metainfo["classes"] == ["x", "y"]


def test_a_list_whose_labels_are_passed_over(root):
    (root / "list.txt").write_text("cat/a b.png 1\n# a note\ndog/d.png\n")
    assert names(UnlabelledImages(str(root), "list.txt"), root) == ["cat/a b.png", "dog/d.png"]
    other = UnlabelledImages(str(root), data_prefix=dict(img_path="dog"))
    assert names(other, root) == ["dog/d.png"]


def test_errors(root, tmp_path):
    def build(*args, **kwargs):
        UnlabelledImages(*args, **kwargs).full_init()

    with pytest.raises(FileNotFoundError, match="data_root: no folder .*nowhere"):
        build(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="ann_file: no list"):
        build(str(root), "lost.txt")
    (root / "list.txt").write_text("cat/lost.png 3\n")
    with pytest.raises(FileNotFoundError, match="1 of the 1 images .* cat/lost.png"):
        build(str(root), "list.txt")
    (root / "list.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="names no image"):
        build(str(root), "list.txt")
    (root / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="data_root: no image"):
        build(str(root / "empty"))
