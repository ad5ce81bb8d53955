import numpy as np
import pytest
from PIL import Image
from street_files import read, write_ids, write_image

from mmasg.datasets.conversion.frame_conversion import (
    convert_frames,
    copy_splits,
    image_suffix,
    pair_frames,
)
from mmasg.datasets.conversion.label_conversion import read_ids
from mmasg.datasets.conversion_record import ConversionRecord
from mmasg.datasets.taxonomy import load_taxonomy


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "in"
    for name in ("a", "run/b"):
        write_image(root / f"images/{name}.png")
        write_ids(root / f"labels/{name}.png", [6, 3, 9])
    return root


@pytest.fixture
def taxonomy(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("classes:\n  road: {sim: [6]}\n  car: {sim: [3]}\nignore: {sim: [9]}\n")
    return load_taxonomy(path)


def convert(data, out, taxonomy, size=None, **kwargs):
    frames = pair_frames(data / "images", data / "labels")
    record = ConversionRecord.of(taxonomy, "sim", size, image_suffix(frames, size))
    return convert_frames(frames, out, read_ids, record, taxonomy, workers=1, **kwargs)


def test_images_are_copied_and_labels_mapped(data, tmp_path, taxonomy):
    report = convert(data, tmp_path / "out", taxonomy)
    assert (report.written, report.skipped, report.failed) == (2, 0, [])
    source, copy = data / "images/run/b.png", tmp_path / "out/images/run/b.png"
    assert copy.read_bytes() == source.read_bytes()
    assert set(read(tmp_path / "out/labels/a_labelTrainIds.png").ravel()) == {0, 1, 255}
    assert convert(data, tmp_path / "out", taxonomy).skipped == 2


def test_resized_images_are_averaged_and_labels_are_not(data, tmp_path, taxonomy):
    convert(data, tmp_path / "out", taxonomy, size=(12, 8))
    image, small = read(data / "images/a.png"), read(tmp_path / "out/images/a.png")
    mean = image.reshape(8, 2, 12, 2, 3).mean((1, 3))
    assert np.abs(small - mean).max() <= 0.5  # rounding alone
    labels = read(tmp_path / "out/labels/a_labelTrainIds.png")
    assert labels.shape == (8, 12) and set(labels.ravel()) == {0, 1, 255}
    np.testing.assert_array_equal(labels[0], np.repeat([0, 1, 255], 4))


def test_another_taxonomy_or_size_is_not_mixed_in(data, tmp_path, taxonomy):
    out = tmp_path / "out"
    convert(data, out, taxonomy)
    with pytest.raises(ValueError, match=r"size was None then and is \[12, 8\] now.*--overwrite"):
        convert(data, out, taxonomy, size=(12, 8))
    assert convert(data, out, taxonomy, size=(12, 8), overwrite=True).written == 2
    assert read(out / "labels/run/b_labelTrainIds.png").shape == (8, 12)


def test_an_interrupted_overwrite_leaves_no_old_label(data, tmp_path, taxonomy, monkeypatch):
    out = tmp_path / "out"
    convert(data, out, taxonomy)

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmasg.datasets.conversion.frame_conversion.parallel_map", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(data, out, taxonomy, size=(12, 8), overwrite=True)
    monkeypatch.undo()
    assert convert(data, out, taxonomy, size=(12, 8)).written == 2


def test_bad_frames_are_named_and_the_others_converted(data, tmp_path, taxonomy):
    write_ids(data / "labels/a.png", [6, 7])
    write_ids(data / "labels/run/b.png", [6], size=(10, 10))
    write_image(data / "images/c.png")
    write_ids(data / "labels/c.png", [9])
    report = convert(data, tmp_path / "out", taxonomy)
    reasons = {path.stem: reason for path, reason in report.failed}
    assert "unknown ids [7]" in reasons["a"] and "label is 10x10, image" in reasons["b"]
    assert report.written == 1 and [path.name for path in report.empty] == ["c_labelTrainIds.png"]
    assert not list((tmp_path / "out/images").rglob("*[ab].png"))
    report = convert(data, tmp_path / "other", taxonomy, size=(30, 10))
    assert "--size 30x10 would distort the frame of 24x16" in str(report.failed)


def test_frames_that_do_not_pair_and_empty_runs(data):
    (data / "labels/a.png").rename(data / "labels/z.png")
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images .*\(a\), 1 of 2 labels .*\(z\)"):
        pair_frames(data / "images", data / "labels")
    (data / "images/run2").mkdir()
    with pytest.raises(ValueError, match="an empty run: .*run2 holds no frame"):
        pair_frames(data / "images", data / "labels")
    with pytest.raises(FileNotFoundError, match="no folder .*nothing"):
        pair_frames(data / "nothing", data / "labels")
    with pytest.raises(FileNotFoundError, match="no pictures in .*labels"):
        pair_frames(data / "labels/run", data / "labels", "_L.png")


def test_one_frame_in_two_formats(data):
    Image.new("RGB", (24, 16)).save(data / "images/a.jpg")
    with pytest.raises(ValueError, match="one frame twice"):
        pair_frames(data / "images", data / "labels")
    (data / "images/a.png").unlink()
    frames = pair_frames(data / "images", data / "labels")
    with pytest.raises(ValueError, match=r"--size: got None; .*'.jpg', '.png'"):
        image_suffix(frames, None)
    assert image_suffix(frames, (12, 8)) == ".png"


def test_lists_are_checked_and_taken_over(data, tmp_path):
    frames = pair_frames(data / "images", data / "labels")
    lists = {split: data / f"{split}.txt" for split in ("train", "val", "test")}
    lists["train"].write_text("run/b.png\n")
    lists["val"].write_text("a\n")
    assert copy_splits(lists, frames, tmp_path / "out") == {"train": 1, "val": 1}
    assert (tmp_path / "out/train.txt").read_text() == "run/b\n"
    assert not (tmp_path / "out/test.txt").exists()
    lists["test"].write_text("a\n")
    with pytest.raises(ValueError, match=r"test.txt and .*val.txt share 1 frames \(a\)"):
        copy_splits(lists, frames, tmp_path / "out")
    lists["test"].write_text("c\n")
    with pytest.raises(ValueError, match="lists frames that are not there: c"):
        copy_splits(lists, frames, tmp_path / "out")
    lists["test"].write_text("")
    with pytest.raises(ValueError, match="is empty"):
        copy_splits(lists, frames, tmp_path / "out")
