import json
import math

import pytest

from mmasg.benchmark.arms import Arm
from mmasg.benchmark.tables import comparison_table, read_metrics, spread_table


class FinishedJob:
    """What the tables ask of a job, with numbers written down by hand."""

    def __init__(self, folder, name, seed, target, source, seconds=60.0):
        self.arm = Arm("seg", name, "x.py", name.title())
        self.seed = seed
        self.folder = folder / f"{name}{seed}"
        self.folder.mkdir()
        self._seconds = seconds
        for test, (road, sky) in dict(target=target, source=source).items():
            metrics = {"mIoU": -1.0, "aAcc": 5.0, "IoU/road": road, "IoU/sky": sky}
            self.metrics_file(test).write_text(json.dumps(metrics))

    def metrics_file(self, test):
        return self.folder / f"{test}.json"

    def seconds(self):
        return self._seconds


def test_metrics_of_classes_only(tmp_path):
    file = tmp_path / "m.json"
    file.write_text(json.dumps({"accuracy/car": 50.0, "accuracy/mean": 1.0, "accuracy/overall": 2}))
    assert read_metrics(file, "cls") == {"car": 50.0}


def test_metrics_without_classes_are_an_error(tmp_path):
    file = tmp_path / "m.json"
    file.write_text(json.dumps({"mIoU": 1.0}))
    with pytest.raises(ValueError, match="no metric named IoU/<class>, only mIoU"):
        read_metrics(file, "seg")


def test_comparison_table(tmp_path):
    jobs = [
        FinishedJob(tmp_path, "base", 0, target=(40.0, 20.0), source=(80.0, 60.0)),
        FinishedJob(tmp_path, "ours", 0, target=(50.0, math.nan), source=(82.0, 60.0), seconds=90),
    ]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in comparison_table(jobs, "target", "source").splitlines()
        if line.startswith("|")
    ]
    assert rows == [
        ["", "Base", "Ours"],
        ["road", "40.00", "50.00"],
        ["sky", "20.00", "-"],
        ["mIoU target (test)", "30.00", "50.00"],
        ["mIoU source (held out)", "70.00", "71.00"],
        ["seconds of training", "60", "90"],
    ]


def test_spread_over_seeds(tmp_path):
    jobs = [
        FinishedJob(tmp_path, "base", 0, target=(30.0, 30.0), source=(70.0, 70.0)),
        FinishedJob(tmp_path, "base", 1, target=(34.0, 34.0), source=(70.0, 70.0)),
        FinishedJob(tmp_path, "ours", 0, target=(35.0, 35.0), source=(71.0, 71.0)),
        FinishedJob(tmp_path, "ours", 1, target=(37.0, 37.0), source=(75.0, 75.0)),
    ]
    base, ours = spread_table(jobs, "target", "source", "base").splitlines()[2:]
    # Sample standard deviations of two values, by hand: |30 - 34| / sqrt(2) and so on.
    assert base == "| Base | 30.00 | 34.00 | 32.00 ± 2.83 |  | 70.00 ± 0.00 |"
    assert ours == "| Ours | 35.00 | 37.00 | 36.00 ± 1.41 | +4.00 ± 1.41 | 73.00 ± 2.83 |"


def test_one_seed_has_no_spread(tmp_path):
    jobs = [FinishedJob(tmp_path, "base", 0, target=(30.0, 30.0), source=(70.0, 70.0))]
    assert "30.00 ± -" in spread_table(jobs, "target", "source", "base")
