import sys

import pytest
from load_tool import load_tool
from mmengine.config import Config
from seg_toy import resnet18, segmentor, toy_config, write_imagenet_file


def test_table_of_variants(tmp_path, monkeypatch, capsys):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    config = Config(toy_config(tmp_path / "run", segmentor(resnet18(file)), dict()))
    config.dump(tmp_path / "config.py")
    words = [str(tmp_path / "config.py"), "--size", "32", "48", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["teacher_cost", *words, "--seconds", "0.05", "--no-compile"])
    load_tool("analysis/teacher_cost").main()
    output = capsys.readouterr().out
    assert f"{config.train_dataloader.batch_size} images of 32x48, 1 thread(s)" in output
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in output.splitlines()]
    rows = {row[0]: row for row in rows if len(row) == 4}
    folded = rows["BatchNorm folded, channels-last"]
    assert 0 < float(folded[3]) < 1e-4  # folded indeed, and the same logits but for rounding
    assert float(rows["channels-last"][3]) < 1e-4
    assert float(folded[1].split()[0]) > 0


def test_a_config_without_teacher(tmp_path, monkeypatch):
    config = Config(toy_config(tmp_path / "run", segmentor(resnet18())))
    config.custom_hooks = []
    config.dump(tmp_path / "config.py")
    monkeypatch.setattr(sys, "argv", ["teacher_cost", str(tmp_path / "config.py")])
    with pytest.raises(SystemExit, match="no ImageNetConsistencyHook"):
        load_tool("analysis/teacher_cost").main()
