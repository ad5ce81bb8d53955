"""The command lines; one in a process of its own, the others in this one, which is quicker."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.io import savemat
from street_files import CITYSCAPES_VAL, cityscapes, gta5, read, write_ids

ROOT = Path(__file__).parents[2]


def test_gta_then_check_data(tmp_path, run):
    root = gta5(tmp_path / "gta5", converted=False)
    code, out, _ = run("dataset_converters/gta.py", root, "--workers", 1)
    assert code == 0 and "split.mat, so train.txt, val.txt and test.txt were not written" in out
    for path in (root / "labels").glob("*_labelTrainIds.png"):
        path.unlink()
    savemat(
        root / "split.mat",
        dict(trainIds=np.array([1, 2, 3, 4]), valIds=np.array([5]), testIds=np.array([6])),
    )
    config = tmp_path / "config.py"
    config.write_text(
        f"default_scope = 'mmseg'\n"
        f"train_dataloader = dict(dataset=dict(type='GTA5Dataset', data_root={str(root)!r}, "
        f"ann_file='train.txt'))\n"
    )
    check = ("check_data.py", config, "--all", "--workers", 1, "--out", tmp_path / "out")
    code, out, _ = run(*check)
    assert code == 1
    assert f"python tools/dataset_converters/gta.py {root}" in out
    assert "RESULT: training or testing would be wrong" in out
    code, out, _ = run("dataset_converters/gta.py", root, "--workers", 1)
    assert code == 0
    assert "6 label files written, 0 were there already, 0 failed" in out
    assert "{'train': 4, 'val': 1, 'test': 1}" in out
    code, out, _ = run(*check)
    assert code == 0, out
    assert "train: GTA5Dataset, 4 listed, 4 opened" in out
    assert (tmp_path / "out/class_histogram.png").stat().st_size > 5000


def test_gta_keeps_failed_frames_out_of_the_lists_on_request(tmp_path, run):
    root = gta5(tmp_path, frames=2, converted=False)
    write_ids(root / "labels/00002.png", [99])
    savemat(root / "split.mat", dict(trainIds=[1, 2], valIds=[], testIds=[]))
    code, _, _ = run("dataset_converters/gta.py", root, "--workers", 1, "--leave-out-failed")
    assert code == 1
    assert (root / "train.txt").read_text() == "00001\n"
    code, _, err = run("dataset_converters/gta.py", root, "--split-mat", root / "other.mat")
    assert code == 1 and "--split-mat: no file" in err


def test_cityscapes(tmp_path, run):
    root = cityscapes(tmp_path, converted=False)
    code, _, _ = run("dataset_converters/cityscapes.py", root, "--splits", "val", "--workers", 1)
    assert code == 0
    assert len(list(root.rglob("*_labelTrainIds.png"))) == 3

    from mmasg.datasets.targets import Cityscapes19Dataset

    dataset = Cityscapes19Dataset(data_root=str(root), data_prefix=CITYSCAPES_VAL, pipeline=[])
    assert np.unique(read(dataset.get_data_info(0)["seg_map_path"])).tolist() == [0, 8, 11, 255]


def test_custom_reports_and_fails_in_a_process_of_its_own(tmp_path):
    write_ids(tmp_path / "labels/a/1.png", [1, 14])
    write_ids(tmp_path / "labels/a/2.png", [1, 200])
    tools = ROOT / "tools/dataset_converters"
    command = [sys.executable, tools / "custom.py", tmp_path / "labels"]
    command += ["--id-map", tools / "id_map_example.yaml", "--out-dir", tmp_path / "out"]
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert "1 label files written, 0 were there already, 1 failed" in result.stdout
    assert "2.png: mislabelled: 192 pixels have unknown ids [200]" in result.stdout
    assert np.unique(read(tmp_path / "out/a/1_labelTrainIds.png")).tolist() == [0, 13]
    assert not (tmp_path / "out/a/2_labelTrainIds.png").exists()


def test_a_changed_map_is_an_error_until_all_is_converted_again(tmp_path, run):
    labels, id_map = tmp_path / "labels", tmp_path / "map.yaml"
    for number in (1, 2):
        write_ids(labels / f"{number}.png", [1, 2])
    again = ("dataset_converters/custom.py", labels, "--id-map", id_map, "--workers", 1)
    id_map.write_text("map: {1: road, 2: sidewalk}")
    assert run(*again)[0] == 0
    (labels / "2_labelTrainIds.png").unlink()  # as if interrupted
    id_map.write_text("map: {1: car, 2: sidewalk}")
    code, out, err = run(*again)
    assert (code, out) == (1, "")
    assert "1 label files below" in err and "ids 1 was 0 then and is 13 now" in err
    assert "Give --overwrite" in err and err.count("\n") == 1
    code, out, _ = run(*again, "--overwrite")
    assert code == 0 and "2 label files written, 0 were there already" in out
    assert np.unique(read(labels / "1_labelTrainIds.png")).tolist() == [1, 13]
    code, out, _ = run(*again)
    assert code == 0 and "2 were there already" in out and "Nothing says" not in out
    (labels / "conversion_labelTrainIds.json").write_text("{")
    assert "record was 'unreadable' then" in run(*again)[2]
    (labels / "conversion_labelTrainIds.json").unlink()
    code, out, _ = run(*again)
    assert code == 0 and "Nothing says how the files that were there already were made" in out


def test_overwriting_a_part_does_not_speak_for_the_rest(tmp_path, run):
    root = cityscapes(tmp_path, converted=False)
    cityscapes(tmp_path, split="train", frames=1, converted=False)
    tool = ("dataset_converters/cityscapes.py", root, "--workers", 1)
    assert run(*tool)[0] == 0
    part = (*tool, "--source", "labelIds", "--splits", "train", "--overwrite")
    code, _, err = run(*part)
    assert code == 1 and "3 label files below" in err
    assert "source was 'auto' then and is 'labelIds' now" in err
    assert len(list(root.rglob("*_labelTrainIds.png"))) == 4


def test_linked_splits_are_converted(tmp_path, run):
    disk = cityscapes(tmp_path / "disk", converted=False)
    cityscapes(tmp_path / "cs", split="train", frames=1, converted=False)
    (tmp_path / "cs/gtFine/val").symlink_to(disk / "gtFine/val")
    (tmp_path / "cs/gtFine/up").symlink_to(tmp_path / "cs")
    code, out, _ = run("dataset_converters/cityscapes.py", tmp_path / "cs", "--workers", 1)
    assert code == 0 and "4 label files written" in out
    assert len(list(disk.rglob("*_labelTrainIds.png"))) == 3


def test_errors_are_one_line(tmp_path, run):
    code, _, err = run("dataset_converters/synthia.py", tmp_path / "nowhere")
    assert code == 1
    assert err.startswith("error: no folder ") and err.count("\n") == 1
    code, _, err = run("check_data.py", tmp_path / "none.py")
    assert code == 2
    assert err.startswith("error: ") and "none.py" in err and err.count("\n") == 1
