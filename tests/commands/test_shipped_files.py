import pytest
from mini_run import ROOT

from mmasg.commands import shipped_files
from mmasg.commands.shipped_files import shipped


def test_in_a_clone():
    assert shipped("tools/train.py") == ROOT / "tools/train.py"
    assert shipped("configs/asg").is_dir()


def test_in_an_installed_package(tmp_path, monkeypatch):
    """Beside a package in site-packages may lie another package's folder of that name."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/train.py").write_text("")
    inside = tmp_path / "mmasg/.mim/tools"
    inside.mkdir(parents=True)
    for name in ("train.py", "dist_train.sh"):
        (inside / name).write_text("")
    monkeypatch.setattr(shipped_files, "_PACKAGE", tmp_path / "mmasg")
    assert shipped("tools/train.py") == inside / "train.py"
    with pytest.raises(FileNotFoundError, match="tools/x.py: it comes with mmasg.*anew"):
        shipped("tools/x.py")
