import math

import pytest

from mmasg.benchmark.results import LAST, Result
from mmasg.benchmark.spread import Spread, spreads
from mmasg.benchmark.tables import comparison_table, spread_table

TESTS = {"target": "test_dataloader", "source": "source_dataloader"}


def result(name, seed, target, source, seconds=60.0, point=LAST):
    def metrics(road, sky):
        both = [v for v in (road, sky) if not math.isnan(v)]
        return {"mIoU": sum(both) / len(both), "mAcc": 1.0, "IoU/road": road, "IoU/sky": sky}

    tests = {"test_dataloader": metrics(*target), "source_dataloader": metrics(*source)}
    return Result(name, "", name.title(), seed, "x.py", [], "", "", TESTS, seconds, {point: tests})


def flat(name, seed, target, source):
    return result(name, seed, (target, target), (source, source))


def rows(table):
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def test_comparison_table():
    results = [
        result("base", 0, target=(40.0, 20.0), source=(80.0, 60.0)),
        result("ours", 0, target=(50.0, math.nan), source=(82.0, 60.0), seconds=90),
    ]
    assert rows(comparison_table(results, TESTS)) == [
        ["", "Base", "Ours"],
        ["road", "40.00", "50.00"],
        ["sky", "20.00", "-"],
        ["mIoU target", "30.00", "50.00"],
        ["mIoU source", "70.00", "71.00"],
        ["seconds of training", "60", "90"],
    ]


def test_spread_over_seeds():
    results = [
        flat("base", 0, 30.0, 70.0),
        flat("base", 1, 34.0, 70.0),
        flat("ours", 0, 35.0, 71.0),
        flat("ours", 1, 37.0, 75.0),
    ]
    head, _, base, ours = rows(spread_table(results, TESTS))
    assert head[3:] == ["mIoU target", "difference", "mIoU source"]
    # Sample standard deviations of two values, by hand: |30 - 34| / sqrt(2) and so on; the
    # standard error of the differences +5 and +3 is sqrt(2) / sqrt(2).
    assert base == ["Base", "30.00", "34.00", "32.00 ± 2.83", "", "70.00 ± 0.00"]
    assert ours == ["Ours", "35.00", "37.00", "36.00 ± 1.41", "+4.00 ± 1.41 (1.00)", "73.00 ± 2.83"]


def test_another_reference_metric_and_point():
    results = [
        result("base", 0, (40.0, 20.0), (80.0, 60.0), point="500"),
        result("ours", 0, (50.0, 20.0), (80.0, 60.0), point="500"),
    ]
    _, _, base, ours = rows(spread_table(results, TESTS, "IoU/road", "ours", "500"))
    assert base == ["Base", "40.00", "40.00 ± -", "-10.00 ± - (-)", "80.00 ± -"]
    assert ours == ["Ours", "50.00", "50.00 ± -", "", "80.00 ± -"]


def test_missing_seeds_leave_the_others_paired():
    results = [
        flat("base", 0, 30.0, 70.0),
        flat("base", 1, 34.0, 70.0),
        flat("ours", 1, 35.0, 71.0),
        flat("ours", 2, 50.0, 71.0),
    ]
    _, _, base, ours = rows(spread_table(results, TESTS))
    assert base[1:5] == ["30.00", "34.00", "-", "32.00 ± 2.83 (n = 2)"]
    assert ours[1:4] == ["-", "35.00", "50.00"]
    assert ours[5] == "+1.00 ± - (-)"


def test_nothing_in_common_is_no_difference():
    _, _, _, ours = rows(spread_table([flat("base", 0, 1, 1), flat("ours", 1, 1, 1)], TESTS))
    assert ours[4] == "-"


def test_spread_by_hand():
    spread = Spread({0: 1.0, 1: 2.0, 4: 6.0})
    # Deviations -2, -1, 3: variance 14 / 2.
    assert (spread.mean, spread.sd) == (3.0, pytest.approx(math.sqrt(7)))
    assert spread.standard_error == pytest.approx(math.sqrt(7 / 3))
    assert spread.minus(Spread({1: 5.0, 4: 5.0})).values == {1: -3.0, 4: 1.0}
    assert spread.minus(Spread({})).as_dict() == dict(
        seeds={}, mean=None, sd=None, standard_error=None
    )


def test_spreads_go_by_the_seeds_number():
    results = [flat("base", 2, 1.0, 0.0), flat("base", 0, 3.0, 0.0)]
    assert list(spreads(results, "mIoU", "test_dataloader")["base"].values.items()) == [
        (0, 3.0),
        (2, 1.0),
    ]
