import sys

import pytest

from mmasg.__main__ import main
from mmasg.commands.command_line import find_config


def test_unknown_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mmasg", "predct"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "there is no command 'predct'. Did you mean 'predict'?" in capsys.readouterr().err


def test_commands_get_the_words_after_their_name(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mmasg", "analysis/plot_lr_policy", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "work dirs of runs with LayerLRPolicyHook" in capsys.readouterr().out


def test_configs_that_come_with_mmasg_are_found_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert find_config("configs/asg/visda.py").is_file()
    with pytest.raises(FileNotFoundError, match="Did you mean 'configs/asg/visda_baseline.py'"):
        find_config("configs/asg/visda_baselin.py")
    own = tmp_path / "configs/asg/visda.py"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert find_config("configs/asg/visda.py").resolve() == own
