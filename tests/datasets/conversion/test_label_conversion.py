import functools

import numpy as np
import pytest
from PIL import Image
from street_files import gta5, read, write_ids, write_image

from mmasg.datasets.class_maps import CITYSCAPES_IDS
from mmasg.datasets.conversion.conversion_jobs import convert_gta_file, gta_jobs
from mmasg.datasets.conversion.label_conversion import (
    Job,
    convert_ids,
    lookup_table,
    run_conversion,
)
from mmasg.files.parallel import parallel_map


def test_table_is_cityscapesscripts_own():
    from cityscapesscripts.helpers.labels import id2label

    for old, new in CITYSCAPES_IDS.items():
        if old < 34:
            assert new == id2label[old].trainId
    assert CITYSCAPES_IDS[34] == 255


@pytest.mark.parametrize("workers", [1, 2])
def test_converts_palette_files_and_restarts(tmp_path, workers):
    gta5(tmp_path, frames=5, converted=False)
    jobs = gta_jobs(tmp_path)
    report = run_conversion(jobs, convert_gta_file, workers)
    assert (report.written, report.skipped, report.exit_code) == (5, 0, 0)
    expected = np.repeat([0, 13, 10, 255], 6)
    assert all((read(job.target) == expected).all() for job in jobs)
    # Interrupted after some files: what is finished is not touched, half files are done anew.
    jobs[2].target.unlink()
    jobs[2].target.with_name(f".{jobs[2].target.stem}.part.png").write_bytes(b"half")
    before = jobs[0].target.stat().st_mtime_ns
    assert gta_jobs(tmp_path) == jobs
    report = run_conversion(jobs, convert_gta_file, workers)
    assert (report.written, report.skipped) == (1, 4)
    assert jobs[0].target.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.part.png"))
    report = run_conversion(jobs, convert_gta_file, workers, overwrite=True)
    assert (report.written, report.skipped) == (5, 0)


def test_bad_files_are_reported_and_the_rest_is_done(tmp_path):
    gta5(tmp_path, frames=6, converted=False)
    labels = tmp_path / "labels"
    whole = (labels / "00001.png").read_bytes()
    (labels / "00001.png").write_bytes(whole[: len(whole) // 2])
    (labels / "00002.png").write_text("no picture")
    write_ids(labels / "00003.png", [7, 99])
    write_image(labels / "00004.png")
    write_ids(labels / "00005.png", [0, 18, 255])
    report = run_conversion(gta_jobs(tmp_path), convert_gta_file, 2)
    assert (report.written, report.exit_code) == (1, 1)
    reasons = {path.name: reason for path, reason in report.failed}
    assert len(reasons) == 5
    assert "truncated" in reasons["00001.png"].lower()
    assert "not a picture" in reasons["00002.png"]
    assert "mislabelled: 192 pixels have unknown ids [99]" in reasons["00003.png"]
    assert "RGB picture where one channel of label ids is due" in reasons["00004.png"]
    assert "holds training ids already" in reasons["00005.png"]
    assert not (labels / "00003_labelTrainIds.png").exists()
    assert "FAILED" in report.text() and "5 failed" in report.text()


def test_label_of_another_size_than_its_image(tmp_path):
    gta5(tmp_path, frames=1, converted=False)
    write_image(tmp_path / "images/00001.png", size=(20, 16))
    report = run_conversion(gta_jobs(tmp_path), convert_gta_file, 1)
    assert "label is 24x16, image" in report.failed[0][1]
    assert "20x16" in report.failed[0][1]


def test_lossy_labels_are_not_converted(tmp_path):
    gta5(tmp_path, frames=1, converted=False)
    with Image.open(tmp_path / "labels/00001.png") as picture:
        picture.convert("L").save(tmp_path / "labels/00001.png", format="JPEG")
    report = run_conversion(gta_jobs(tmp_path), convert_gta_file, 1)
    assert "stored as JPEG, which may change ids" in report.failed[0][1]


def test_all_ignored_is_converted_and_said(tmp_path):
    write_ids(tmp_path / "labels/00001.png", [0, 3])
    report = run_conversion(gta_jobs(tmp_path), convert_gta_file, 1)
    assert report.exit_code == 0
    assert "1 files have no labelled pixel: 00001_labelTrainIds.png" in report.text()


def test_sixteen_bit_ids(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[300, 7]], np.uint16)).save(path)
    job = Job(path, tmp_path / "b.png")
    convert = functools.partial(convert_wide, table=lookup_table({300: 5, 7: 0}))
    assert run_conversion([job], convert, 1).written == 1
    assert read(job.target).tolist() == [[5, 0]]


def convert_wide(path, table):
    return convert_ids(read(path), table)


def test_refuses_clashing_names(tmp_path):
    path = write_ids(tmp_path / "a.png", [7])
    with pytest.raises(ValueError, match="nothing to convert"):
        run_conversion([], convert_gta_file)
    with pytest.raises(ValueError, match="2 label files would be written to 1 names"):
        job = Job(path, tmp_path / "b.png")
        run_conversion([job, job._replace(source=tmp_path / "c.png")], convert_gta_file)
    with pytest.raises(ValueError, match="overwritten by its own conversion"):
        run_conversion([Job(path, path)], convert_gta_file)


def square(number):
    return number * number


def die(number):
    import os

    os._exit(1)


def test_parallel_map_keeps_the_order():
    assert list(parallel_map(square, list(range(50)), 2)) == [n * n for n in range(50)]


def test_parallel_map_errors():
    with pytest.raises(ValueError, match="--workers: got -1; allowed: 0"):
        list(parallel_map(square, [1], -1))
    with pytest.raises(RuntimeError, match="a worker process was killed.* --workers 2"):
        list(parallel_map(die, [1, 2, 3], 2))
