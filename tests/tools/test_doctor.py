import sys

import pytest
from load_tool import load_tool
from seg_toy import resnet18, segmentor, toy_config, write_imagenet_file


@pytest.fixture
def config(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    cfg = toy_config(tmp_path / "work", segmentor(resnet18(file)))
    cfg["model"]["data_preprocessor"].update(size=(32, 32), size_divisor=None)
    path = tmp_path / "my_config.py"
    path.write_text("\n".join(f"{key} = {value!r}" for key, value in cfg.items()))
    return str(path)


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["doctor.py", *words])
    return load_tool("doctor").main()


def test_a_config_that_can_take_the_additions(config, monkeypatch, capsys):
    assert run(monkeypatch, config, "--no-step", "--workers", "1") == 0
    out = capsys.readouterr().out
    assert "ERROR" not in out and "train: SegToyDataset" in out and "its classifier" in out
    assert 'dict(type="ImageNetConsistencyHook", loss_weight=1.0)' in out
    assert "one step" not in out
    gone = "model.backbone.init_cfg.checkpoint=gone.pth"
    assert run(monkeypatch, config, "--workers", "1", "--cfg-options", gone) == 1
    out = capsys.readouterr().out
    assert "ERROR init_cfg.checkpoint of the backbone: no file 'gone.pth'" in out
    assert "without the teacher " in out, "a teacher with random weights costs the same"


def test_what_cannot_be_read(monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, str(tmp_path / "gone.py")) == 2
    assert "error: config: no file" in capsys.readouterr().err
    (tmp_path / "broken.py").write_text("model = dict(\n")
    assert run(monkeypatch, str(tmp_path / "broken.py")) == 2
    assert capsys.readouterr().err.startswith("error: ")
    with pytest.raises(SystemExit) as left:
        run(monkeypatch)
    assert left.value.code == 2
