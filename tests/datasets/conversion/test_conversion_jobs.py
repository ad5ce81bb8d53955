import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat
from street_files import cityscapes, read, write_ids, write_image

from mmasg.datasets.conversion.conversion_jobs import (
    cityscapes_jobs,
    convert_cityscapes_file,
    convert_synthia_file,
    custom_jobs,
    gta_jobs,
    synthia_jobs,
    write_gta_splits,
)
from mmasg.datasets.conversion.label_conversion import run_conversion


def write_polygons(path, objects, width=24, height=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(imgWidth=width, imgHeight=height, objects=objects)
    path.write_text(json.dumps(content))
    return path


def box(label, left, right, **more):
    return dict(label=label, polygon=[[left, 0], [right, 0], [right, 15], [left, 15]], **more)


def test_polygons_give_what_cityscapesscripts_gives(tmp_path):
    from cityscapesscripts.preparation.json2labelImg import json2labelImg

    path = write_polygons(
        tmp_path / "gtFine/val/ulm/ulm_0_gtFine_polygons.json",
        [box("road", 0, 23), box("cargroup", 4, 9), box("license plate", 5, 6),
         box("parking", 12, 15), box("sky", 20, 23, deleted=1)],
    )  # fmt: skip
    (job,) = cityscapes_jobs(tmp_path)
    assert job.target.name == "ulm_0_gtFine_labelTrainIds.png"
    assert run_conversion([job], convert_cityscapes_file, 1).written == 1
    json2labelImg(str(path), str(tmp_path / "official.png"), "trainIds")
    assert (read(job.target) == read(tmp_path / "official.png")).all()
    assert sorted(np.unique(read(job.target))) == [0, 13, 255]


def test_label_ids_where_there_are_no_polygons(tmp_path):
    cityscapes(tmp_path, frames=2, converted=False)
    polygons = tmp_path / "gtFine/val/ulm/ulm_000001_000019_gtFine_polygons.json"
    write_polygons(polygons, [box("sky", 0, 23)])
    jobs = cityscapes_jobs(tmp_path)
    assert [job.source.suffix for job in jobs] == [".png", ".json"]
    run_conversion(jobs, convert_cityscapes_file, 1)
    assert (read(jobs[0].target) == np.repeat([0, 11, 8, 255], 6)).all()
    assert np.unique(read(jobs[1].target)).tolist() == [10]
    assert len(cityscapes_jobs(tmp_path, source="polygons")) == 1
    assert len(cityscapes_jobs(tmp_path, source="labelIds", splits=["val"])) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not a whole JSON file"),
        ("[]", "no Cityscapes annotation: imgHeight, imgWidth, objects missing"),
        (
            '{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "unicorn", "polygon": []}]}',
            "cannot draw it: .*unicorn",
        ),
    ],
)
def test_bad_polygons_are_reported(tmp_path, content, reason):
    import re

    path = tmp_path / "gtFine/val/ulm/ulm_0_gtFine_polygons.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    report = run_conversion(cityscapes_jobs(tmp_path), convert_cityscapes_file, 1)
    assert re.search(reason, report.failed[0][1]), report.failed
    assert report.exit_code == 1


def test_out_dir_keeps_the_tree(tmp_path):
    cityscapes(tmp_path / "in", frames=1, converted=False)
    (job,) = cityscapes_jobs(tmp_path / "in", out_dir=tmp_path / "out")
    target = "val/ulm/ulm_000000_000019_gtFine_labelTrainIds.png"
    assert job.target == tmp_path / "out" / target


def test_missing_folders_say_what_is_there(tmp_path):
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(FileNotFoundError, match="no folder .*gtFine.* holds leftImg8bit"):
        cityscapes_jobs(tmp_path)
    (tmp_path / "gtFine/val").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no annotations .*_labelIds.png or .*_polygons"):
        cityscapes_jobs(tmp_path)
    with pytest.raises(FileNotFoundError, match="where the split 'train' of Cityscapes should be"):
        cityscapes_jobs(tmp_path, splits=["train"])
    with pytest.raises(FileNotFoundError, match="where GTA5's palette PNGs"):
        gta_jobs(tmp_path)
    (tmp_path / "labels").mkdir()
    with pytest.raises(FileNotFoundError, match="no label files .*unpack GTA5's labels"):
        gta_jobs(tmp_path)


def test_gta_lists_from_mat(tmp_path):
    savemat(
        tmp_path / "split.mat",
        dict(trainIds=np.array([[3], [1]]), valIds=np.array([[2]]), testIds=np.array([[4]])),
    )
    counts = write_gta_splits(tmp_path, tmp_path / "split.mat", leave_out=["00004"])
    assert counts == {"train": 2, "val": 1, "test": 0}
    assert (tmp_path / "train.txt").read_text() == "00001\n00003\n"
    assert (tmp_path / "test.txt").read_text() == ""


def write_synthia(path, columns):
    """SYNTHIA's labels: 16-bit RGB, class in red, instance in green."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((16, len(columns), 3), np.uint16)
    pixels[..., 2] = columns  # OpenCV's order is blue, green, red
    pixels[..., 1] = 513
    cv2.imwrite(str(path), pixels)


def test_synthia(tmp_path):
    write_synthia(tmp_path / "GT/LABELS/0000000.png", list(range(23)))
    write_image(tmp_path / "RGB/0000000.png", size=(23, 16))
    (job,) = synthia_jobs(tmp_path)
    assert job.image is not None
    assert run_conversion([job], convert_synthia_file, 1).exit_code == 0
    row = read(job.target)[0].tolist()
    # ids 0..22: void sky building road sidewalk fence vegetation pole car sign pedestrian bicycle
    # motorcycle parking-slot road-work light terrain rider truck bus train wall lane-marking
    assert row == [255, 10, 2, 0, 1, 4, 8, 5, 13, 7, 11, 18, 17, 255, 255, 6, 255, 12, 255, 15,
                   255, 3, 255]  # fmt: skip


def test_synthia_of_another_kind(tmp_path):
    write_ids(tmp_path / "GT/LABELS/0000000.png", [1])
    write_synthia(tmp_path / "GT/LABELS/0000001.png", [23])
    (tmp_path / "GT/LABELS/0000002.png").write_bytes(b"x")
    report = run_conversion(synthia_jobs(tmp_path), convert_synthia_file, 1)
    reasons = [reason for _, reason in report.failed]
    assert "16-bit RGB with the class id in the red channel" in reasons[0]
    assert "unknown ids [23]" in reasons[1]
    assert "not a whole picture" in reasons[2]


def test_custom_jobs(tmp_path):
    write_ids(tmp_path / "a/x.png", [1])
    write_ids(tmp_path / "a/x_labelTrainIds.png", [1])
    jobs = custom_jobs(tmp_path)
    assert [(j.source.name, j.target.name) for j in jobs] == [("x.png", "x_labelTrainIds.png")]
    assert len(custom_jobs(tmp_path, out_dir=tmp_path.parent / "other")) == 2
    with pytest.raises(ValueError, match="--out-suffix must end in .png, not '_a.jpg'"):
        custom_jobs(tmp_path, out_suffix="_a.jpg")
    with pytest.raises(FileNotFoundError, match=r"no files \*.tif in"):
        custom_jobs(tmp_path, suffix=".tif")
