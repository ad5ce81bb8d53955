"""The miniature street scenes on disk, and the tool that writes them."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmasg.datasets import Cityscapes19Dataset, GTA5Dataset
from mmasg.miniature import street_task
from mmasg.miniature.classes import PALETTE
from mmasg.miniature.files import write_png

TOOL = Path(__file__).parents[2] / "tools" / "dataset_converters" / "miniature.py"


@pytest.fixture
def run(monkeypatch):
    """The tool, cut down to 4 source, 2 validation and 2 test frames."""
    monkeypatch.setattr(street_task, "SOURCE_FRAMES", 4)
    monkeypatch.setattr(street_task, "SOURCE_VAL", 1)
    for split in ("val", "test"):
        monkeypatch.setitem(street_task.TARGET_FRAMES, split, 2)
    spec = importlib.util.spec_from_file_location("miniature_tool", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(out, *arguments, workers=1):
        return tool.main(
            ["--out", str(out), "--only", "street", "--workers", str(workers), *arguments]
        )

    return run


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_layout_and_formats(tmp_path, run):
    assert run(tmp_path) == 0
    names = set(contents(tmp_path))
    assert {f"gta5/{kind}/{n:05d}.png" for kind in ("images", "labels") for n in (1, 4)} <= names
    assert (tmp_path / "gta5" / "train.txt").read_text() == "00001\n00002\n00003\n"
    assert (tmp_path / "gta5" / "val.txt").read_text() == "00004\n"

    label = Image.open(tmp_path / "gta5" / "labels" / "00001.png")
    assert label.mode == "P" and label.size == (512, 256)
    assert tuple(label.getpalette()[21:24]) == PALETTE[7]
    assert set(np.unique(np.asarray(label))) <= set(range(34))

    stem = "klotzburg_000000_000019"
    image = Image.open(tmp_path / f"cityscapes/leftImg8bit/val/klotzburg/{stem}_leftImg8bit.png")
    assert image.mode == "RGB" and image.size == (512, 256)
    truth = tmp_path / f"cityscapes/gtFine/val/klotzburg/{stem}_gtFine"
    ids = Image.open(f"{truth}_labelIds.png")
    assert ids.mode == "L"
    instances = np.asarray(Image.open(f"{truth}_instanceIds.png"))
    assert instances.dtype == np.uint16
    assert instances.max() >= 24000
    counted = instances >= 1000
    np.testing.assert_array_equal(np.where(counted, instances // 1000, instances), np.asarray(ids))
    # a city a half of the split, numbered from 0
    assert "cityscapes/gtFine/test/pappenheim/pappenheim_000000_000019_gtFine_labelIds.png" in names


def test_number_of_workers_does_not_matter(tmp_path, run):
    run(tmp_path / "one")
    run(tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_goes_on_where_it_stopped(tmp_path, run, capsys):
    run(tmp_path)
    before = contents(tmp_path)
    lost = tmp_path / "gta5" / "labels" / "00002.png"
    kept = tmp_path / "gta5" / "images" / "00001.png"
    lost.unlink()
    stamp = kept.stat().st_mtime_ns
    capsys.readouterr()
    assert run(tmp_path) == 0
    assert "1 frames made" in capsys.readouterr().out
    assert contents(tmp_path) == before
    assert kept.stat().st_mtime_ns == stamp


def test_another_seed_is_refused_until_told(tmp_path, run, capsys):
    run(tmp_path)
    before = contents(tmp_path)
    assert run(tmp_path, "--seed", "1") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert contents(tmp_path) == before
    assert run(tmp_path, "--seed", "1", "--overwrite") == 0
    after = contents(tmp_path)
    assert json.loads(after[".miniature_street.json"])["seed"] == 1
    images = [name for name in before if name.endswith(".png")]
    assert images and all(before[name] != after[name] for name in images)


def test_wrong_arguments(tmp_path, run, capsys):
    for arguments, said in ((["--seed", "-1"], "--seed must be"), (["--only", "x"], "--only")):
        with pytest.raises(SystemExit):
            run(tmp_path, *arguments)
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(tmp_path, workers=-1)
    assert "--workers must be" in capsys.readouterr().err


def test_an_interrupted_file_is_no_file(tmp_path, monkeypatch):
    path = tmp_path / "a" / "b.png"

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_png(path, np.zeros((4, 4), dtype=np.uint8))
    assert not path.exists()


def test_the_project_s_data_sets_read_the_frames(tmp_path, run):
    run(tmp_path)
    source = GTA5Dataset(
        data_root=str(tmp_path / "gta5"), ann_file="train.txt", seg_map_suffix=".png", pipeline=[]
    )
    assert len(source) == 3
    target = Cityscapes19Dataset(
        data_root=str(tmp_path / "cityscapes"),
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        seg_map_suffix="_gtFine_labelIds.png",
        pipeline=[],
    )
    assert len(target) == 2
    assert Path(target.get_data_info(0)["seg_map_path"]).is_file()


def test_objects_are_a_task_beside_the_street(tmp_path, run, monkeypatch):
    from mmasg.miniature.object_task import SPLITS
    from mmasg.miniature.objects import draw_object

    for split in list(SPLITS):
        monkeypatch.setitem(SPLITS, split, 12)
    assert run(tmp_path, "--only", "objects") == 0
    assert not (tmp_path / "gta5").exists()
    for split in SPLITS:
        lines = (tmp_path / "visda" / split / "image_list.txt").read_text().splitlines()
        assert [int(line.split()[1]) for line in lines] == list(range(12))
        for line in lines[::5]:
            name, label = line.split()
            picture, expected = draw_object(split, int(Path(name).stem))
            assert int(label) == expected
            written = np.asarray(Image.open(tmp_path / "visda" / split / name))
            np.testing.assert_array_equal(written, picture)
