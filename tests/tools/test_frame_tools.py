"""carla.py, camvid.py, custom.py --taxonomy and split_by_run.py, up to what a data set reads."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from street_files import read, write_ids, write_image

from mmasg.datasets import CamVidDataset, CarlaDataset, TaxonomyDataset

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "configs/taxonomies/carla_camvid.yaml"
STREET = [13, 1, 7, 7, 7, 10]


def carla(root, frames=4, tags=STREET):
    for number in range(frames):
        name = f"{number // 2 * 1000 + number:06d}"  # two frames a run
        write_image(root / f"CameraRGB/{name}.png", seed=number)
        rows = np.asarray(tags, np.uint8)[np.arange(16) * len(tags) // 16]
        ids = np.tile(rows[:, None], (1, 24))
        path = root / f"CameraMask/{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.stack([ids, 0 * ids, 0 * ids], -1)).save(path)
    return root


def test_carla_with_its_lists(tmp_path, run):
    root, out = carla(tmp_path / "in"), tmp_path / "carla"
    (root / "train.txt").write_text("000000\n000001\n")
    (root / "val.txt").write_text("001002\n")
    command = ("dataset_converters/carla.py", root, out, "--workers", 1)
    code, said, _ = run(*command, "--size", "12x8")
    assert code == 0 and "labels: tags, read as carla_0.9.10 (" in said
    assert "lists taken over: {'train': 2, 'val': 1} of 4 frames" in said
    data = CarlaDataset(data_root=str(out), taxonomy=SHIPPED, ann_file="train.txt")
    assert len(data) == 2 and data.metainfo["classes"][9] == "car"
    labels = read(out / "labels/000000_labelTrainIds.png")
    assert labels[:, 0].tolist() == [7, 2, 2, 0, 0, 0, 0, 9]  # rows 1, 3, ... of 16
    assert "0 label files written, 4 were there" in run(*command, "--size", "12x8")[1]
    code, _, error = run(*command)
    assert code == 1 and "--overwrite" in error
    code, _, error = run(*command, "--tags", "0.9.14", "--overwrite")
    assert code == 0 and "warning: the labels look like carla_0.9.10" in error


def test_runs_are_split_where_no_lists_came(tmp_path, run):
    root, out = carla(tmp_path / "in", frames=8), tmp_path / "carla"
    code, said, _ = run("dataset_converters/carla.py", root, out, "--workers", 1)
    assert code == 0 and f"split_by_run.py {out}" in said
    split = ("dataset_converters/split_by_run.py", out, "--val", 0.25)
    code, said, _ = run(*split)
    assert code == 0 and "4 runs" in said and "{'train': 6, 'val': 2}" in said
    val = (out / "val.txt").read_text().split()
    assert int(val[1]) - int(val[0]) == 1
    code, _, error = run(*split)
    assert code == 1 and "train.txt: got 'a list that is there already'" in error
    assert run(*split, "--overwrite")[0] == 0
    code, _, error = run(*split, "--overwrite", "--gap", 1e6)
    assert code == 1 and "got '1 run(s)" in error
    code, _, error = run(*split, "--images", "pictures")
    assert code == 1 and "no images below" in error


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "CameraMask").rename(root / "Masks"), "--labels: got None"),
        (lambda root: (root / "CameraMask/000000.png").unlink(), "frames and labels do not pair"),
        (lambda root: (root / "CameraRGB/run7").mkdir(), "an empty run"),
        (lambda root: (root / "train.txt").write_text("7\n"), "frames that are not there: 7"),
    ],
)
def test_bad_carla_folders(tmp_path, run, spoil, message):
    root = carla(tmp_path / "in")
    spoil(root)
    code, _, error = run("dataset_converters/carla.py", root, tmp_path / "out", "--workers", 1)
    assert code == 1 and message in error


def test_out_lies_outside_in(tmp_path, run):
    root = carla(tmp_path / "in")
    for out in (root, root / "out"):
        code, _, error = run("dataset_converters/carla.py", root, out)
        assert code == 1 and "OUT: got" in error


def test_camvid_in_both_forms(tmp_path, run):
    eleven, original = tmp_path / "eleven", tmp_path / "original"
    colours = [(128, 128, 128), (128, 0, 0), (128, 64, 128), (0, 0, 0)]
    for name, split in (("0001TP_1", "train"), ("0016E5_1", "val")):
        write_image(eleven / f"{split}/{name}.png")
        write_ids(eleven / f"{split}annot/{name}.png", [0, 1, 3, 11])
        write_image(original / f"701_StillsRaw_full/{name}.png")
        path = original / f"LabeledApproved_full/{name}_L.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.tile(np.repeat(np.array(colours, np.uint8), 6, 0), (16, 1, 1))).save(
            path
        )
        (original / f"{split}.txt").write_text(f"{name}\n")
    for root in (eleven, original):
        out = tmp_path / f"out_{root.name}"
        code, said, _ = run("dataset_converters/camvid.py", root, out, "--workers", 1)
        assert code == 0 and "{'train': 1, 'val': 1} of 2 frames" in said
        data = CamVidDataset(data_root=str(out), taxonomy=SHIPPED, ann_file="val.txt")
        info = data.get_data_info(0)
        assert np.unique(read(info["seg_map_path"])).tolist() == [0, 2, 7, 255]
        assert info["domain"] == "camvid"
    code, _, error = run("dataset_converters/camvid.py", tmp_path, tmp_path.parent / "x")
    assert code == 1 and "train and trainannot" in error
    write_image(eleven / "val/0001TP_1.png")
    write_ids(eleven / "valannot/0001TP_1.png", [0])
    code, _, error = run("dataset_converters/camvid.py", eleven, tmp_path / "y")
    assert code == 1 and "val has frames of another split: 0001TP_1" in error


def test_a_pair_of_ones_own_is_one_file(tmp_path, run):
    taxonomy = tmp_path / "pair.yaml"
    taxonomy.write_text(
        "classes:\n  floor: {sim: ['#010203'], cam: [3]}\n  shelf: {sim: ['4,5,6'], cam: []}\n"
        "ignore: {cam: [0]}\n"
    )
    for name, pixels in (("sim", [(1, 2, 3), (4, 5, 6)]), ("cam", [3, 0])):
        path = tmp_path / name / "labels/a.png"
        write_image(tmp_path / name / "images/a.png", size=(2, 1))
        path.parent.mkdir()
        Image.fromarray(np.array([pixels], np.uint8)).save(path)
        code, _, error = run(
            "dataset_converters/custom.py", path.parent, "--taxonomy", taxonomy,
            "--dataset", name, "--workers", 1,
        )  # fmt: skip
        assert code == 0, error
        data = TaxonomyDataset(data_root=str(tmp_path / name), taxonomy=taxonomy)
        assert data.metainfo["classes"] == ("floor", "shelf") and len(data) == 1
    assert read(tmp_path / "sim/labels/a_labelTrainIds.png").tolist() == [[0, 1]]
    assert read(tmp_path / "cam/labels/a_labelTrainIds.png").tolist() == [[0, 255]]
    custom = ("dataset_converters/custom.py", tmp_path / "sim/labels", "--taxonomy", taxonomy)
    code, _, error = run(*custom, "--dataset", "smi")
    assert code == 1 and "Did you mean 'sim'" in error
    code, _, error = run(*custom)
    assert code == 1 and "--dataset: got None" in error
    example = ROOT / "tools/dataset_converters/id_map_example.yaml"
    code, _, error = run(custom[0], custom[1], "--id-map", example)
    assert code == 1 and "were converted in another way" in error
