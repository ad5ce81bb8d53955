import json

import pytest
from quick_run import CONFIG, QuickRun, write_config

from mmasg.benchmark import comparison as module
from mmasg.benchmark.arms import Arm
from mmasg.benchmark.comparison import Comparison

TESTS = {"target": "test_dataloader", "source": "source_dataloader"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "Run", QuickRun)
    monkeypatch.setattr(QuickRun, "scores", {"base": 30.0, "ours": 34.0})


def make(folder, **options):
    config = write_config(folder)
    arms = [Arm(name, config, name.title()) for name in ("base", "ours")]
    return Comparison(folder / "out", TESTS, arms, [0, 1], **options)


def test_tables_numbers_and_pictures(tmp_path, capsys):
    comparison = make(tmp_path, also_at=[10])
    assert comparison.run(workers=2) == []
    comparison.report(["mIoU", "mAcc"])
    text = (tmp_path / "out/comparison.md").read_text()
    assert text in capsys.readouterr().out + "\n"
    assert "**mIoU, at 10**; difference to base" in text
    end = "| Ours | 34.00 | 35.00 | 34.50 ± 0.71 | +4.00 ± 0.00 (0.00) | 33.50 ± 0.71 |"
    assert end in text and "| Ours | 29.00 | 30.00 |" in text
    numbers = json.loads((tmp_path / "out/comparison.json").read_text())["tables"]
    assert list(numbers) == ["mIoU, at 10", "mIoU", "mAcc, at 10", "mAcc"]
    ours = numbers["mAcc"]["target"]["ours"]
    assert ours["seeds"] == {"0": 68.0, "1": 70.0} and ours["mean"] == 69.0
    assert ours["difference"]["mean"] == 8.0 and ours["difference"]["standard_error"] == 0.0
    for name in ("comparison.png", "classes.png"):
        assert (tmp_path / "out" / name).stat().st_size > 5000


def test_a_failed_arm_leaves_a_table_of_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(QuickRun, "scores", {"base": 30.0, "ours": None})
    comparison = make(tmp_path)
    failures = comparison.run()
    assert len(failures) == 2 and "ours_seed0: 'train' ended with code 3" in failures[0]
    comparison.report()
    out = capsys.readouterr().out
    assert "ours, seed 1: no result" in out and "| Base | 30.00 | 31.00 |" in out


def test_whatever_a_folder_holds(tmp_path):
    comparison = make(tmp_path, also_at=[10])
    comparison.run()
    found = Comparison.found(tmp_path / "out")
    assert found.arms == comparison.arms
    assert (found.seeds, found.tests, found.points) == ([0, 1], TESTS, ["10", "last"])
    found.report()
    with pytest.raises(FileNotFoundError, match="no results below"):
        Comparison.found(tmp_path)


def test_results_of_other_settings_are_named(tmp_path, capsys):
    make(tmp_path).run()
    later = make(tmp_path)
    write_config(tmp_path, text=CONFIG.replace("0.1", "0.2"))
    later.report()
    assert "base, seed 0: the result is of other settings" in capsys.readouterr().out


def test_nothing_to_report(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results of these arms"):
        make(tmp_path).report()


def test_a_reference_that_is_no_arm(tmp_path):
    comparison = make(tmp_path)
    comparison.run()
    comparison.report(reference="ours")
    assert "difference to ours" in (tmp_path / "out/comparison.md").read_text()
    with pytest.raises(ValueError, match="--reference: got 'our'.*Did you mean 'ours'"):
        comparison.report(reference="our")


def test_groups_have_tables_of_their_own(tmp_path):
    config = write_config(tmp_path)
    arms = [Arm(name, config, group=name) for name in ("base", "ours")]
    comparison = Comparison(tmp_path / "out", TESTS, arms, [0], weights={"ours": 0.5})
    comparison.run()
    comparison.report(reference="ours")
    text = (tmp_path / "out/comparison.md").read_text()
    assert "**base, mIoU**; difference to base" in text
    assert "**ours, mIoU**; difference to ours" in text
    assert {"base_classes.png", "ours_classes.png"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }
